"""What the disk helps maintenance with: looking at what lies there, reading it through, setting aside, taking notes."""

from __future__ import annotations

import contextlib
import errno
import hashlib
from collections.abc import Callable
from typing import Final
from uuid import UUID

from artstore_core.errors import FileDamaged, NotFound, StorageUnavailable

from storage_element.disk import layout as names
from storage_element.disk.committed import CommittedFiles
from storage_element.disk.durable import Durable
from storage_element.disk.every_record import shards
from storage_element.disk.failures import NOT_GIVEN_OUT, failure, meaning
from storage_element.disk.filesystem import READ, DropsCache, FileSystem
from storage_element.disk.layout import Layout
from storage_element.disk.small_files import read_small, replace_durably
from storage_element.store.inspection import Seen, ShardNames

_PIECE: Final = 1024 * 1024
_STEP_BYTES: Final = 4 * _PIECE


class Hashing:
    """Fulfils `store.inspection.Hashing`. `done` once the end was read; it is closed then."""

    def __init__(self, filesystem: FileSystem, handle: int) -> None:
        self._filesystem, self._handle, self._open = filesystem, handle, True
        self._digest = hashlib.sha256()
        self.size, self.done = 0, False

    def advance(self) -> int:
        began = self.size
        with meaning():
            while not self.done and self.size - began < _STEP_BYTES:
                piece = self._filesystem.pread(self._handle, _PIECE, self.size)
                self._digest.update(piece)
                self.size += len(piece)
                self.done = not piece
            self._drop_cached(began)
        if self.done:
            self.close()
        return self.size - began

    def checksum(self) -> str:
        return self._digest.hexdigest()

    def close(self) -> None:
        if self._open:
            self._open = False
            self._filesystem.close(self._handle)

    def _drop_cached(self, began: int) -> None:
        """What is read once in a week must not push out what people read. It is also how the next reading of the same
        bytes comes from the disk, and not from a memory that may be what is wrong."""
        if isinstance(self._filesystem, DropsCache) and self.size > began:
            self._filesystem.drop_cached(self._handle, began, self.size - began)


class Inspector:
    """Fulfils `store.inspection.Inspection`. `check` raises StorageUnavailable unless the disk is this element's: an
    absence means something only then, and notes are written to no other."""

    def __init__(
        self,
        layout: Layout,
        filesystem: FileSystem,
        durable: Durable,
        committed: CommittedFiles,
        check: Callable[[], None],
    ) -> None:
        self._layout, self._filesystem, self._durable = layout, filesystem, durable
        self._committed, self._check = committed, check

    def shards(self) -> set[str]:
        self._check()
        return set(shards(self._layout, self._filesystem))

    def strangers(self) -> list[str]:
        self._check()
        with meaning():
            return sorted(name for name in self._filesystem.names(self._layout.files) if not names.is_shard(name))

    def shard(self, shard: str) -> ShardNames:
        self._check()
        try:
            found = self._filesystem.names(self._layout.files / shard)
        except FileNotFoundError:
            self._check_files()
            found = []
        except OSError as error:
            raise failure(error) from error
        records, data, strangers = set(), set(), []
        for name in found:
            if (file_id := names.id_of_attributes(name)) is not None and self._layout.shard(file_id).name == shard:
                records.add(file_id)
            elif (file_id := names.id_of_data(name)) is not None and self._layout.shard(file_id).name == shard:
                data.add(file_id)
            else:
                strangers.append(f"{shard}/{name}")
        return ShardNames(frozenset(records), frozenset(data), sorted(strangers))

    def seen(self, file_id: UUID) -> Seen:
        record, unreadable = None, False
        try:
            record = self._committed.attributes(file_id)
        except NotFound:
            self._check_files()
        except FileDamaged:
            unreadable = True
        try:
            size = self._filesystem.length(self._layout.data(file_id))
        except FileNotFoundError:
            self._check_files()
            size = None
        except OSError as error:
            raise failure(error) from error
        return Seen(record, unreadable, size)

    def hashing(self, file_id: UUID) -> Hashing:
        try:
            handle = self._filesystem.open(self._layout.data(file_id), READ)
        except FileNotFoundError:
            self._check_files()
            raise NotFound("There is no data.") from None
        except OSError as error:
            raise failure(error) from error
        hashing = Hashing(self._filesystem, handle)
        try:
            hashing.advance()
        except BaseException:
            hashing.close()
            raise
        return hashing

    def make_place(self, file_id: UUID) -> None:
        with meaning(), contextlib.suppress(FileExistsError):
            self._filesystem.mkdir(self._layout.shard(file_id))

    def set_aside_data(self, file_id: UUID) -> int:
        path = self._layout.data(file_id)
        try:
            size = self._filesystem.length(path)
            self._filesystem.rename(path, self._layout.set_aside(path))
        except FileNotFoundError:
            raise NotFound("There is no data.") from None
        except OSError as error:
            raise failure(error) from error
        return size

    def keep_record(self, file_id: UUID) -> int:
        path = self._layout.attributes(file_id)
        try:
            content = read_small(self._filesystem, path)
            mark = hashlib.sha256(content).hexdigest()[:16]
        except FileNotFoundError:
            return 0
        except ValueError:
            content, mark = b"", None  # too large to be one of ours; whatever it is, it is kept
        except OSError as error:
            raise failure(error) from error
        with meaning():
            try:
                self._filesystem.link(path, self._layout.set_aside(path, mark))
            except FileExistsError:
                return 0
        return len(content)

    def set_aside_unreadable(self, file_id: UUID) -> int | None:
        path = self._layout.attributes(file_id)
        try:
            read_small(self._filesystem, path)
        except (FileNotFoundError, ValueError):
            return None
        except OSError as error:
            if error.errno not in NOT_GIVEN_OUT:
                raise failure(error) from error
        else:
            return None
        with meaning():
            size = self._filesystem.length(path)
            self._filesystem.rename(path, self._layout.set_aside(path))
            return size

    def quarantine_bytes(self) -> int:
        directory, total = self._layout.quarantine, 0
        with meaning():
            for name in self._filesystem.names(directory):
                try:
                    total += self._filesystem.length(directory / name)
                except OSError as error:
                    # Somebody is clearing up there; or the disk, which many come here for, does not tell.
                    if error.errno not in NOT_GIVEN_OUT | {errno.ENOENT}:
                        raise
        return total

    def load(self, name: str) -> bytes | None:
        self._check()
        try:
            return read_small(self._filesystem, self._layout.note(name))
        except FileNotFoundError:
            return None
        except ValueError:
            return b""
        except OSError as error:
            if error.errno in NOT_GIVEN_OUT:
                return b""
            raise failure(error) from error

    def save(self, name: str, content: bytes) -> None:
        self._check()
        with meaning():
            replace_durably(self._filesystem, self._durable, self._layout.temporary(), self._layout.note(name), content)

    def _check_files(self) -> None:
        """Raises StorageUnavailable where not one file is missing but the place of all of them."""
        self._check()
        with meaning():
            if not self._filesystem.exists(self._layout.files):
                raise StorageUnavailable("The storage element's files are not there.")
