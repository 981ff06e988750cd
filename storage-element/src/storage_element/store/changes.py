"""Changes: what goes through the write-ahead log, one record each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any
from uuid import UUID

from artstore_core.files import Attributes

INLINE_BYTES = 64 * 1024
"""A body up to this length travels in its record: one shared flush keeps it, and nothing else is waited for."""

THE_ELEMENT = UUID(int=0)
"""In place of a file's id where a change concerns the element itself."""


class ChangeKind(IntEnum):
    """The numbers are part of the log's format."""

    PUT = 1
    """A file comes to be, or damaged bytes are put right: `record`, and `body` or `staged`."""
    SET = 2
    """The file's record becomes `record`."""
    DAMAGE = 3
    """The same, and its data, where there is any, goes into quarantine."""
    PURGE = 4
    """Data and record go; `record` is the last one, for those who follow the changes."""
    MODE = 5
    """mode.json becomes `record`."""
    STAGED = 6
    """What was agreed on an unfinished upload becomes `record`: so many of its bytes are flushed."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change as it is written. `record` is the content of attr.json (or mode.json), and `attributes` what it says.

    The bytes of a PUT are in `body`, or lie flushed under the name `staged` in the staging directory.
    """

    kind: ChangeKind
    file_id: UUID
    record: bytes
    attributes: Attributes | None = None
    body: bytes | None = None
    staged: str | None = None


@dataclass(frozen=True, slots=True)
class Logged:
    """A change that survives a power cut. Sequence numbers rise by one; they are the change feed's."""

    sequence: int
    change: Change


@dataclass(frozen=True, slots=True)
class Settled:
    """A decision that nothing needs to change; `value` is the answer."""

    value: Any
