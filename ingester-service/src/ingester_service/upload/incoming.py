"""One upload as the use case sees it, however it travels."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol

from artstore_core.modes import Mode
from artstore_core.retention import ELEMENT_MODE, RetentionPolicy


@dataclass(frozen=True, slots=True)
class Retention:
    """`ttl_days` is settled: the default is filled in, and a permanent file has none."""

    policy: RetentionPolicy
    ttl_days: int | None

    @property
    def mode(self) -> Mode:
        """The mode of the elements that such a file is written to."""
        return ELEMENT_MODE[self.policy]


@dataclass(frozen=True, slots=True)
class Told:
    """What the uploader says of the file."""

    description: str | None
    tags: list[str]
    metadata: dict[str, Any]


class Incoming(Protocol):
    """A file whose beginning has been read. Its bytes are read once, in order, and only as fast as they are wanted."""

    @property
    def filename(self) -> str: ...

    @property
    def retention(self) -> Retention: ...

    @property
    def sha256(self) -> str | None:
        """What the uploader says that the bytes hash to, in lower-case hex."""
        ...

    @property
    def size_at_most(self) -> int | None:
        """An upper bound of the file's bytes, None where there is none."""
        ...

    @property
    def largest(self) -> int:
        """How many bytes the file may have where nothing is known of its size: beyond that it is refused."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The file's bytes. Raises ValidationFailed for a body that breaks off, FileTooLarge beyond the limit."""
        ...

    async def told(self) -> Told:
        """Reads what follows the bytes, so the chunks must have been read to the end."""
        ...
