"""People who run ArtStore (requirement I5)."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class UserRows(Protocol):
    async def add_first(self, username: str, password_hash: str, now: datetime) -> bool:
        """Adds an admin unless the name is taken; True when it was added."""
        ...
