"""How much one principal may send at once (requirement G8), so that nobody keeps a replica to itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from artstore_core.errors import RateLimited

_RETRY_AFTER = "2"


@dataclass(slots=True)
class _Sending:
    uploads: int = 0
    bytes: int = 0


class UploadLimits:
    """Counts request bodies that are on their way to this replica. 0: no limit.

    Nothing is kept of a principal that sends nothing, so the table is never longer than the requests that are open.
    """

    def __init__(self, *, uploads: int, size: int, unknown_size: int) -> None:
        """`size`: bytes of one principal's bodies together. `unknown_size`: what a body counts as whose length its client
        does not tell."""
        self._uploads, self._size, self._unknown_size = uploads, size, unknown_size
        self._sending: dict[str, _Sending] = {}

    @property
    def principals(self) -> int:
        return len(self._sending)

    @contextmanager
    def admit(self, principal: str, length: int | None) -> Iterator[None]:
        """While the block runs, a body of `length` bytes counts. Raises RateLimited.

        Whoever sends nothing else is always let in: otherwise what is larger than the limit never could be.
        """
        size = self._unknown_size if length is None else length
        sending = self._sending.get(principal, _Sending())
        if self._uploads and sending.uploads >= self._uploads:
            raise _refused(f"At most {self._uploads} uploads may be under way at once")
        if self._size and sending.uploads and sending.bytes + size > self._size:
            raise _refused(f"At most {self._size} bytes may be under way at once")
        self._sending[principal] = sending
        sending.uploads += 1
        sending.bytes += size
        try:
            yield
        finally:
            sending.uploads -= 1
            sending.bytes -= size
            if not sending.uploads:
                del self._sending[principal]


def _refused(message: str) -> RateLimited:
    return RateLimited(message, headers={"Retry-After": _RETRY_AFTER})
