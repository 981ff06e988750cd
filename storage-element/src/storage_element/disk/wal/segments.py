"""The log's files: their names, their order, making and removing them."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

from storage_element.disk.durable import Durable
from storage_element.disk.filesystem import APPEND, CREATE, FileSystem
from storage_element.disk.small_files import write_all
from storage_element.disk.wal.format import SegmentHeader, encode_segment_header

_SUFFIX: Final = ".wal"
_DIGITS: Final = 16


class Segments:
    """The directory `wal/`. All raise OSError, and StorageUnavailable once a flush has failed."""

    def __init__(self, directory: Path, filesystem: FileSystem, durable: Durable) -> None:
        self._directory, self._filesystem, self._durable = directory, filesystem, durable

    def paths(self) -> list[Path]:
        """Oldest first."""
        return sorted(self._directory / name for name in self._filesystem.names(self._directory) if _is_segment(name))

    def create(self, header: SegmentHeader) -> tuple[int, Path]:
        """A handle to append to an empty segment that is on the disk, its name as well."""
        path = self._directory / f"{header.first_group:0{_DIGITS}x}{_SUFFIX}"
        content = encode_segment_header(header)
        handle = self._filesystem.open(path, CREATE)
        try:
            write_all(self._filesystem, handle, content)
            self._durable.file(handle)
        except BaseException:
            # Durably: the segment before it may be written on, and after a power cut this one would seem to follow it.
            with contextlib.suppress(OSError):
                self.remove(path)
            raise
        finally:
            self._filesystem.close(handle)
        self._durable.directory(self._directory)
        return self._filesystem.open(path, APPEND), path

    def remove(self, path: Path) -> None:
        """Durably: an old segment that came back after a younger one was removed would undo what the younger did."""
        self._filesystem.unlink(path)
        self._durable.directory(self._directory)


def _is_segment(name: str) -> bool:
    digits = name.removesuffix(_SUFFIX)
    return name.endswith(_SUFFIX) and len(digits) == _DIGITS and all(digit in "0123456789abcdef" for digit in digits)
