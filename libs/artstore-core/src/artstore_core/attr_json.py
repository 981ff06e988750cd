"""The text of `<id>.attr.json`: readable by people, and able to say that it has rotted.

One JSON object in UTF-8, a field a line: those of `Attributes`, without `deleted_at`, `deleted_by` and `damage` where
they do not apply; unknown fields as they were; and last `record_checksum`, the SHA-256 in hex of all the others in their
canonical form (keys sorted, no blanks, nothing escaped that need not be). A record without that field is taken as it
is: whoever mends one by hand may leave it out.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, Final

from pydantic_core import to_json

from artstore_core.files import Attributes

_CHECKSUM: Final = "record_checksum"
_HEX_DIGITS: Final = 64
_WHERE_THEY_APPLY: Final = ("deleted_at", "deleted_by", "damage")


def encode(attributes: Attributes) -> bytes:
    """The file's content."""
    fields = attributes.model_dump(mode="json")
    fields.pop(_CHECKSUM, None)
    for name in _WHERE_THEY_APPLY:
        if fields[name] is None:
            del fields[name]
    fields[_CHECKSUM] = _checksum(fields)
    return to_json(fields, indent=1) + b"\n"


def decode(content: bytes) -> Attributes:
    """Raises ValueError for what is no record, and for one that is not as it was written."""
    fields = json.loads(content)
    if not isinstance(fields, dict):
        raise ValueError("not an object")
    written = fields.pop(_CHECKSUM, None)
    if not (_mended_by_hand(fields) if written is None else written == _checksum(fields)):
        raise ValueError("the record is not as it was written")
    return Attributes.model_validate(fields)


def _mended_by_hand(fields: dict[str, Any]) -> bool:
    """Without a checksum; but not because the name of its field has rotted."""
    unknown = [name for name, value in fields.items() if isinstance(value, str) and len(value) == _HEX_DIGITS]
    return not any(
        fields[name] == _checksum({other: value for other, value in fields.items() if other != name})
        for name in unknown
    )


def _checksum(fields: dict[str, Any]) -> str:
    return sha256(json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()
