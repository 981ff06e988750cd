"""Small JSON files: read whole, written so that a reader sees the old content or the new."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

from storage_element.disk.durable import Durable
from storage_element.disk.filesystem import CREATE, READ, FileSystem

_MAX_BYTES: Final = 1024 * 1024


def read_small(filesystem: FileSystem, path: Path) -> bytes:
    """Raises FileNotFoundError, OSError, and ValueError for a file that is too large to be one of ours."""
    handle = filesystem.open(path, READ)
    try:
        content = b""
        while piece := filesystem.pread(handle, _MAX_BYTES, len(content)):
            content += piece
            if len(content) > _MAX_BYTES:
                raise ValueError("too large")
        return content
    finally:
        filesystem.close(handle)


def write_all(filesystem: FileSystem, handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[filesystem.write(handle, view) :]


def write_durably(filesystem: FileSystem, durable: Durable, path: Path, content: bytes) -> None:
    """A new file whose bytes are on the disk when this returns; its directory entry is not yet. Raises OSError."""
    handle = filesystem.open(path, CREATE)
    try:
        write_all(filesystem, handle, content)
        durable.file(handle)
    except BaseException:
        with contextlib.suppress(OSError):
            filesystem.unlink(path)
        raise
    finally:
        filesystem.close(handle)


def replace(filesystem: FileSystem, temporary: Path, path: Path, content: bytes) -> None:
    """Puts `content` in place of whatever `path` held; who reads it sees the old or the new. Nothing is flushed."""
    try:
        handle = filesystem.open(temporary, CREATE)
        try:
            write_all(filesystem, handle, content)
        finally:
            filesystem.close(handle)
        filesystem.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            filesystem.unlink(temporary)
        raise


def replace_durably(filesystem: FileSystem, durable: Durable, temporary: Path, path: Path, content: bytes) -> None:
    """Puts `content` in place of whatever `path` held, and is done when a power cut cannot undo it."""
    write_durably(filesystem, durable, temporary, content)
    filesystem.rename(temporary, path)
    durable.directory(path.parent)
