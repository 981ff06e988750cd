"""renditions.store.RenditionStore in a directory."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

from artstore_core.errors import StorageUnavailable
from artstore_transfer import PIECE, ByteRange

from render_service.renditions.store import Missing

_SEGMENT: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")


class DirectoryStore:
    """A file a key, below `root`. Written beside its place and moved there, so that no half of one is ever seen.

    Nothing is flushed to the disk by force: what a power cut takes is made again when it is asked for.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    async def put(self, key: str, source: Path, media_type: str) -> None:  # noqa: ARG002
        await asyncio.to_thread(self._put, self._path(key), source)

    async def read(self, key: str, part: ByteRange) -> AsyncIterator[bytes]:
        try:
            with _available():
                file = await asyncio.to_thread(self._path(key).open, "rb")
                size = os.fstat(file.fileno()).st_size
        except FileNotFoundError:
            raise Missing(key) from None
        with file:
            if size < part.stop:
                # Its name survived a power cut, and its bytes did not.
                raise Missing(key)
            await asyncio.to_thread(file.seek, part.start)
            left = part.length
            while left and (piece := await asyncio.to_thread(file.read, min(left, PIECE))):
                left -= len(piece)
                yield piece

    async def has(self, key: str) -> bool:
        return await asyncio.to_thread(self._path(key).is_file)

    async def remove_all(self, prefix: str) -> None:
        await asyncio.to_thread(self._remove_all, self._path(prefix.removesuffix("/")))

    async def probe(self) -> None:
        await asyncio.to_thread(self._probe)

    def _path(self, key: str) -> Path:
        """The one place where paths are made: a key of anything but plain names is refused."""
        segments = key.split("/")
        if not all(_SEGMENT.fullmatch(segment) for segment in segments):
            raise ValueError("not a key")
        return self._root.joinpath(*segments)

    def _put(self, path: Path, source: Path) -> None:
        beside = path.with_name(f"-{uuid4().hex}")
        with _available():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                shutil.copyfile(source, beside)
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)

    def _remove_all(self, path: Path) -> None:
        with _available(), suppress(FileNotFoundError):
            shutil.rmtree(path)
        for parent in path.parents:
            # The file's own directory goes with the last thing in it; another one may just be putting something there.
            if parent == self._root or _kept(parent):
                return

    def _probe(self) -> None:
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(self._root, os.W_OK):
            raise PermissionError("the directory of renditions cannot be written")


def _kept(directory: Path) -> bool:
    try:
        directory.rmdir()
    except OSError:
        return True
    return False


@contextmanager
def _available() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StorageUnavailable("The store of previews cannot be used now") from error
