"""Putting logged changes into their places: data, attr.json, mode.json.

Nothing here is flushed but what goes into quarantine: until a checkpoint has done that, the log can do it all again.
Everything may therefore be done twice, and in the end is what the last record says. Changes of one file must come in
their order.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from uuid import UUID

from artstore_core.errors import FileDamaged

from storage_element.disk import layout as names
from storage_element.disk.durable import Durable
from storage_element.disk.failures import NOT_GIVEN_OUT, meaning
from storage_element.disk.filesystem import CREATE, FileSystem
from storage_element.disk.layout import Layout
from storage_element.disk.small_files import replace, write_all
from storage_element.disk.staged import StagedUploads
from storage_element.store.changes import ChangeKind, Logged


class Applier:
    """Applies one change at a time. Safe for several threads as long as each file is in the hands of one."""

    def __init__(self, layout: Layout, filesystem: FileSystem, durable: Durable, staged: StagedUploads) -> None:
        self._layout, self._filesystem, self._durable, self._staged = layout, filesystem, durable, staged

    def apply(self, logged: Logged) -> None:
        """Raises StorageFull and StorageUnavailable: it is then to be done again, from its beginning; and FileDamaged
        where the bytes of a PUT are nowhere, with its record in place."""
        change = logged.change
        with meaning():
            match change.kind:
                case ChangeKind.PUT:
                    self._put(logged)
                case ChangeKind.SET:
                    self._set(change.file_id, change.record)
                case ChangeKind.DAMAGE:
                    self._quarantine(change.file_id, logged.sequence)
                    self._set(change.file_id, change.record)
                case ChangeKind.PURGE:
                    self._purge(change.file_id)
                case ChangeKind.MODE:
                    self._replace(self._layout.mode, change.record)
                case ChangeKind.STAGED:
                    self._staged.agree_again(change)

    def _put(self, logged: Logged) -> None:
        change = logged.change
        data = self._layout.data(change.file_id)
        if change.staged is not None:
            self._make(data.parent)  # a link that fails does not tell which of the two names has no directory
            there = self._place(self._layout.staged(change.staged), data)
        else:
            self._write_new(data, change.body or b"")
            there = True
        self._set(change.file_id, change.record)
        if change.staged is not None:
            self._end_upload(change.staged)
        if not there:
            raise FileDamaged("The file's data is missing.")

    def _end_upload(self, staged: str) -> None:
        """An upload that became a file is none any more. Its bytes keep their name here until the checkpoint; with its
        agreement they would be an upload again once the file is purged."""
        upload_id = names.id_of_part(staged)
        if upload_id is not None:
            with contextlib.suppress(FileNotFoundError):
                self._filesystem.unlink(self._layout.upload(upload_id))

    def _place(self, staged: Path, data: Path) -> bool:
        """A second name for the flushed bytes: the first stays until the second is on the disk as well."""
        try:
            self._filesystem.link(staged, data)
        except FileNotFoundError:
            return self._filesystem.exists(data)
        except FileExistsError:
            if not self._filesystem.exists(staged):
                return True
            self._filesystem.unlink(data)
            self._filesystem.link(staged, data)
        return True

    def _set(self, file_id: UUID, record: bytes) -> None:
        path = self._layout.attributes(file_id)
        try:
            self._write(path, record)
        except FileExistsError:
            self._replace(path, record)

    def _replace(self, path: Path, content: bytes) -> None:
        replace(self._filesystem, self._layout.temporary(), path, content)

    def _purge(self, file_id: UUID) -> None:
        """A name that the disk does not let go of stays, for reconcile to tell of: all other files, and the next start,
        would wait for it."""
        for path in (self._layout.attributes(file_id), self._layout.data(file_id)):
            try:
                self._filesystem.unlink(path)
            except FileNotFoundError:
                pass
            except OSError as error:
                if error.errno not in NOT_GIVEN_OUT:
                    raise

    def _quarantine(self, file_id: UUID, sequence: int) -> None:
        data = self._layout.data(file_id)
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            self._filesystem.link(data, self._layout.set_aside(data, f"{sequence:016x}"))
        # The second name must be on the disk before the first goes: nothing else could bring these bytes back.
        self._durable.directory(self._layout.quarantine)
        with contextlib.suppress(FileNotFoundError):
            self._filesystem.unlink(data)

    def _write_new(self, path: Path, content: bytes) -> None:
        """Never over what is there: that may be another name for bytes that a later change in the log rests on."""
        try:
            self._write(path, content)
        except FileExistsError:
            self._filesystem.unlink(path)
            self._write(path, content)

    def _write(self, path: Path, content: bytes) -> None:
        handle = self._create(path)
        try:
            write_all(self._filesystem, handle, content)
        except BaseException:
            with contextlib.suppress(OSError):
                self._filesystem.unlink(path)
            raise
        finally:
            self._filesystem.close(handle)

    def _create(self, path: Path) -> int:
        # Not asked for first, and made each time that it is missing: what was there a moment ago may have been removed.
        try:
            return self._filesystem.open(path, CREATE)
        except FileNotFoundError:
            self._make(path.parent)
            return self._filesystem.open(path, CREATE)

    def _make(self, shard: Path) -> None:
        with contextlib.suppress(FileExistsError):
            self._filesystem.mkdir(shard)
