"""What is done to a file's bytes before anyone can see it: its type (requirement G6), and a scan (U5)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

from ingester_service.upload.scanning import Scanning
from ingester_service.upload.types import TypePolicy

Read = Callable[[], AsyncGenerator[bytes, None]]
"""Gives all bytes of a file from its beginning; may be called again."""


class Inspection:
    """The same for every way that a file comes in. `scanning`: None where no file is scanned."""

    def __init__(self, types: TypePolicy, scanning: Scanning | None = None) -> None:
        self._types, self._scanning = types, scanning

    def admit_name(self, filename: str) -> None:
        """Before any byte is read. Raises TypeNotAllowed."""
        self._types.admit_name(filename)

    def admit_type(self, filename: str, head: bytes) -> str:
        """The content type of a file whose first bytes are `head` (see `types.detect`). Raises TypeNotAllowed."""
        return self._types.admit(filename, head)

    async def scan(self, filename: str, read: Read) -> None:
        """Raises Infected, FileTooLarge, ScannerUnavailable, and what `read` raises."""
        if self._scanning is not None:
            await self._scanning.scan(filename, read())

    async def admit(self, filename: str, head: bytes, read: Read) -> str:
        """Type and scan: the content type of a file that may come in. Raises TypeNotAllowed and what `scan` raises."""
        content_type = self.admit_type(filename, head)
        await self.scan(filename, read)
        return content_type
