"""Committed files: `<id>.data` beside `<id>.attr.json`, and the steps by which they come to be."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from uuid import UUID

from artstore_core.errors import FileDamaged, NotFound
from artstore_core.files import Attributes

from storage_element.disk.durable import Durable
from storage_element.disk.failures import failure, meaning
from storage_element.disk.filesystem import READ, FileSystem
from storage_element.disk.layout import Layout
from storage_element.disk.small_files import read_small, write_durably


class Reader:
    """The bytes of one file, open: it can be read to its end whatever happens to its name."""

    def __init__(self, filesystem: FileSystem, handle: int) -> None:
        self._filesystem, self._handle = filesystem, handle

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes. Raises FileDamaged where the file ends before that."""
        with meaning():
            piece = self._filesystem.pread(self._handle, length, offset)
            while len(piece) < length:
                more = self._filesystem.pread(self._handle, length - len(piece), offset + len(piece))
                if not more:
                    raise FileDamaged("The file is shorter than its record says.")
                piece += more
        return piece

    def close(self) -> None:
        self._filesystem.close(self._handle)


class CommittedFiles:
    """Reads files and makes them exist. A file exists once its attr.json does."""

    def __init__(self, layout: Layout, filesystem: FileSystem, durable: Durable) -> None:
        self._layout, self._filesystem, self._durable = layout, filesystem, durable
        self._shards: set[str] = set()
        self._shards_lock = threading.Lock()

    def forget(self) -> None:
        """What was known of directories is not true of a disk that was taken out and put back."""
        self._shards.clear()

    def attributes(self, file_id: UUID) -> Attributes:
        """Raises NotFound, and FileDamaged for a record that cannot be read."""
        try:
            content = read_small(self._filesystem, self._layout.attributes(file_id))
        except FileNotFoundError:
            raise NotFound("There is no such file.") from None
        except OSError as error:
            raise failure(error) from error
        except ValueError:
            raise FileDamaged("The file's record cannot be read.") from None
        try:
            found = Attributes.model_validate_json(content)
        except ValueError:
            raise FileDamaged("The file's record cannot be read.") from None
        if found.file_id != file_id:
            raise FileDamaged("The file's record is another file's.")
        return found

    def size(self, file_id: UUID) -> int | None:
        """How long the data is; None where it is missing."""
        try:
            handle = self._filesystem.open(self._layout.data(file_id), READ)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise failure(error) from error
        try:
            return self._filesystem.size(handle)
        finally:
            self._filesystem.close(handle)

    def open(self, attributes: Attributes) -> Reader:
        """Raises FileDamaged when the data is missing or of another length than its record says."""
        try:
            handle = self._filesystem.open(self._layout.data(attributes.file_id), READ)
        except FileNotFoundError:
            raise FileDamaged("The file's data is missing.") from None
        except OSError as error:
            raise failure(error) from error
        if self._filesystem.size(handle) != attributes.size:
            self._filesystem.close(handle)
            raise FileDamaged("The file's data has another length than its record says.")
        return Reader(self._filesystem, handle)

    def commit(self, staged: Path, attributes: Attributes) -> None:
        """Makes a file of flushed data at `staged`. A power cut at any point leaves it whole or invisible.

        Raises StorageFull or StorageUnavailable, with the data back at `staged`; or, when only the last flush failed,
        StorageUnavailable with the file in place: not acknowledged, and whole.
        """
        with meaning():
            record = self._write_record(attributes)
            try:
                self._make_shard(attributes.file_id)
                self._place_data(staged, attributes.file_id)
            except BaseException:
                self._drop(record)
                raise
            try:
                self._publish(record, attributes.file_id)
            except BaseException:
                # A rename that reports an error may have happened all the same.
                self._drop(record)
                self._drop(self._layout.attributes(attributes.file_id))
                self._take_data_back(staged, attributes.file_id)
                raise
            self._durable.directory(self._layout.shard(attributes.file_id))

    def confirm(self, file_id: UUID) -> None:
        """Makes sure of a file that is there already: the process that put it there may not have lived to flush it."""
        with meaning():
            self._durable.directory(self._layout.shard(file_id))
            self._durable.directory(self._layout.files)

    def _write_record(self, attributes: Attributes) -> Path:
        record = self._layout.temporary()
        content = attributes.model_dump_json(indent=1).encode()
        write_durably(self._filesystem, self._durable, record, content)
        return record

    def _make_shard(self, file_id: UUID) -> None:
        """The directory and its own entry, once in a process: the one before may have died between the two."""
        shard = self._layout.shard(file_id)
        if shard.name in self._shards:
            return
        with self._shards_lock:
            with contextlib.suppress(FileExistsError):
                self._filesystem.mkdir(shard)
            self._durable.directory(self._layout.files)
            self._shards.add(shard.name)

    def _place_data(self, staged: Path, file_id: UUID) -> None:
        """Data first, and flushed in its place: without attr.json nobody sees it."""
        self._filesystem.rename(staged, self._layout.data(file_id))
        try:
            self._durable.directory(self._layout.shard(file_id))
        except BaseException:
            self._take_data_back(staged, file_id)
            raise

    def _publish(self, record: Path, file_id: UUID) -> None:
        """The commit point: this one rename makes the file exist."""
        self._filesystem.rename(record, self._layout.attributes(file_id))

    def _take_data_back(self, staged: Path, file_id: UUID) -> None:
        with contextlib.suppress(OSError):  # what stays behind has no attr.json; recovery sees to it
            self._filesystem.rename(self._layout.data(file_id), staged)

    def _drop(self, record: Path) -> None:
        with contextlib.suppress(OSError):
            self._filesystem.unlink(record)
