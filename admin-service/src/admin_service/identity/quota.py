"""What an account may hold, and what it holds (requirement I12)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal, Protocol


class _Unchanged(Enum):
    UNCHANGED = "unchanged"


Unchanged = Literal[_Unchanged.UNCHANGED]
UNCHANGED: Final = _Unchanged.UNCHANGED
"""In a change of something that None clears: it stays as it is."""


@dataclass(frozen=True, slots=True)
class Usage:
    bytes: int = 0
    files: int = 0


NOTHING = Usage()


class UsageRows(Protocol):
    async def of(self, principals: Collection[str]) -> Mapping[str, Usage]:
        """By principal (`sa:…`, `user:…`); those that hold nothing may be missing."""
        ...
