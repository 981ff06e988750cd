"""What stands in JSON, for people to read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def readable(details: Mapping[str, Any]) -> dict[str, str]:
    """Text as it is, all else as JSON; letters of every script stay letters."""
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in details.items()
    }
