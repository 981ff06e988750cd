"""What is uploaded: a file by its path, or any binary file object. Plain code, run in worker threads."""

from __future__ import annotations

import hashlib
import mimetypes
import os
import stat
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from anyio.to_thread import run_sync

from artstore_client.errors import NotAFile, SourceChanged

PIECE = 1024 * 1024
"""Bytes read at once: what the services work with, too. One piece is all that an upload holds in memory."""

OnProgress = Callable[[int, int | None], None]
"""Called with the bytes done so far and of how many (None: not known), on the event loop's thread: must not block."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """By which a changed file is told: `size` in bytes, `modified_ns` in nanoseconds since 1970."""

    size: int
    modified_ns: int


class Source:
    """A stretch of bytes, read from where the file object stands.

    For one request a path is `hashed` first, so that the file is read twice. The digest stands in the part's headers, so
    it must come first; the second read comes from the page cache for all that fits in memory; and a file that changes
    between the reads is refused by the server instead of being stored torn. With a file object `sha256` is there when
    everything was read, to be compared with the answer. Resumable uploads read by `read_at`, and hash by themselves.
    """

    def __init__(self, file: BinaryIO, *, name: str, owned: bool) -> None:
        self._file = file
        self._owned = owned
        self.name = name
        self.sha256: bytes | None = None
        self.size: int | None = None
        self._start: int | None = None
        self._reading = threading.Lock()
        self.path: Path | None = None
        self.fingerprint: Fingerprint | None = None

    @classmethod
    async def from_path(cls, path: Path) -> Source:
        """Opens the file. Raises OSError, and ValueError NotAFile for a folder or a device."""
        source = await run_sync(_open, path)
        try:
            await source._locate()
        except BaseException:
            source.close()
            raise
        source.path, source.fingerprint = path, source._stated()
        return source

    async def hash_first(self) -> None:
        """Reads a path's file to its end, and counts it: some files do not say how long they are."""
        if not self._owned:
            return
        await run_sync(self._file.seek, 0)
        self.size, hashed = 0, hashlib.sha256()
        # In steps, so that a cancelled upload of a terabyte does not wait for its hash.
        while piece := await run_sync(self._read, PIECE, hashed):
            self.size += len(piece)
        self.sha256 = hashed.digest()

    @classmethod
    async def from_object(cls, file: BinaryIO) -> Source:
        name = getattr(file, "name", None)
        source = cls(file, name=Path(name).name if isinstance(name, str) else "", owned=False)
        await source._locate()
        return source

    @property
    def replayable(self) -> bool:
        return self._start is not None

    @property
    def content_type(self) -> str:
        """A guess by the name; the server decides by the bytes (G6)."""
        return mimetypes.guess_type(self.name)[0] or "application/octet-stream"

    async def pieces(self, on_progress: OnProgress | None) -> AsyncIterator[bytes]:
        """The bytes, at most `size` of them when it is known: what is appended meanwhile is not part of the upload.

        Raises SourceChanged when there are fewer.
        """
        if self._start is not None:
            await run_sync(self._file.seek, self._start)
        hashed, sent = hashlib.sha256(), 0
        while wanted := PIECE if self.size is None else min(PIECE, self.size - sent):
            piece = await run_sync(self._read, wanted, hashed)
            if not piece:
                break
            yield piece
            sent += len(piece)
            if on_progress:
                on_progress(sent, self.size)
        if self.size is not None and sent < self.size:
            raise SourceChanged(f"{self.name}: {self.size} bytes were announced and only {sent} are there")
        self.sha256 = self.sha256 or hashed.digest()

    def read_at(self, offset: int, length: int) -> bytes:
        """So many bytes from there on, or fewer; from any thread. Raises SourceChanged where there are none."""
        start = (self._start or 0) + offset
        if self._owned and hasattr(os, "pread"):
            piece = os.pread(self._file.fileno(), length, start)
        else:
            with self._reading:
                self._file.seek(start)
                piece = self._file.read(length)
        if not isinstance(piece, bytes):
            raise TypeError("open the file in binary mode")
        if not piece:
            raise SourceChanged(f"{self.name}: {self.size} bytes were announced and only {offset} are there")
        return piece

    def unchanged(self) -> bool:
        """Whether a path's file is as it was when it was opened; nothing is known of a file object."""
        return self.fingerprint is None or self._stated() == self.fingerprint

    def close(self) -> None:
        """Closes what this opened; the caller's own file object stays open."""
        if self._owned:
            self._file.close()

    async def _locate(self) -> None:
        def locate() -> None:
            try:
                self._start = self._file.tell()
                self.size = self._file.seek(0, os.SEEK_END) - self._start
                self._file.seek(self._start)
            except (OSError, AttributeError, ValueError):  # a pipe, a socket: neither length nor way back
                self._start = self.size = None

        await run_sync(locate)

    def _stated(self) -> Fingerprint:
        found = os.fstat(self._file.fileno())
        return Fingerprint(found.st_size, found.st_mtime_ns)

    def _read(self, size: int, hashed: hashlib._Hash) -> bytes:
        piece = self._file.read(size)
        if not isinstance(piece, bytes):
            raise TypeError("open the file in binary mode")
        hashed.update(piece)
        return piece


def _open(path: Path) -> Source:
    # Not blocking: opening a FIFO that nobody writes to would hang for ever.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotAFile(f"{path} is not a regular file")
    # A name that is not UTF-8 on disk comes from the system with surrogates, which no UTF-8 encoder takes.
    name = os.fsencode(path.name).decode("utf-8", "replace")
    return Source(os.fdopen(descriptor, "rb", buffering=0), name=name, owned=True)
