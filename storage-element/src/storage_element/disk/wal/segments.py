"""The log's files: their names, their order, making and removing them."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

from artstore_core.errors import StorageUnavailable

from storage_element.disk.durable import Durable
from storage_element.disk.failures import SCARCE, failure
from storage_element.disk.filesystem import APPEND, CREATE, FileSystem
from storage_element.disk.small_files import write_all
from storage_element.disk.wal.format import SegmentHeader, encode_segment_header

_SUFFIX: Final = ".wal"
_DIGITS: Final = 16


class Segments:
    """The directory `wal/`. All raise OSError; StorageUnavailable once a flush has failed, or while there are no descriptors."""

    def __init__(self, directory: Path, filesystem: FileSystem, durable: Durable) -> None:
        self._directory, self._filesystem, self._durable = directory, filesystem, durable

    def paths(self) -> list[Path]:
        """Oldest first."""
        return sorted(self._directory / name for name in self._filesystem.names(self._directory) if _is_segment(name))

    def create(self, header: SegmentHeader) -> tuple[int, Path]:
        """A handle to append to an empty segment that is on the disk, its name as well."""
        path = self._directory / f"{header.first_group:0{_DIGITS}x}{_SUFFIX}"
        content = encode_segment_header(header)
        handle = self._open_new(path)
        try:
            write_all(self._filesystem, handle, content)
            self._durable.file(handle)
            self._durable.directory(self._directory)
        except BaseException:
            self._filesystem.close(handle)  # first: it may be the descriptor that is missing
            self._take_back(path)
            raise
        return handle, path

    def _open_new(self, path: Path) -> int:
        try:
            return self._filesystem.open(path, CREATE | APPEND)
        except OSError as error:
            if error.errno in SCARCE:
                raise failure(error) from error
            raise

    def _take_back(self, path: Path) -> None:
        """Durably: the segment before it may be written on, and after a power cut this one would seem to follow it. So
        where it may still be there, nothing is written any more."""
        try:
            self.remove(path)
        except (OSError, StorageUnavailable) as error:
            raise self._durable.fail(error) from error

    def remove(self, path: Path) -> None:
        """Durably: an old segment that came back after a younger one was removed would undo what the younger did."""
        with contextlib.suppress(FileNotFoundError):  # this is tried again when its flush could not be made
            self._filesystem.unlink(path)
        self._durable.directory(self._directory)


def _is_segment(name: str) -> bool:
    digits = name.removesuffix(_SUFFIX)
    return name.endswith(_SUFFIX) and len(digits) == _DIGITS and all(digit in "0123456789abcdef" for digit in digits)
