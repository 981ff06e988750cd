"""Resumable uploads: half files that outlive a restart, and what was agreed when they began."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from uuid import UUID

from artstore_core.errors import Conflict, NotFound

from storage_element.disk.durable import Durable
from storage_element.disk.failures import NOT_GIVEN_OUT, failure, meaning
from storage_element.disk.filesystem import APPEND, CREATE, READ, FileSystem
from storage_element.disk.layout import Layout
from storage_element.disk.small_files import read_small, replace, replace_durably
from storage_element.disk.writer import RunningHash, Writer
from storage_element.store.agreement import Agreement, decode, encode
from storage_element.store.changes import Change


class StagedReader:
    """The bytes of an upload, open, as many as there were then. More may be added meanwhile, and does not matter."""

    at_hand = False

    def __init__(self, filesystem: FileSystem, handle: int) -> None:
        self._filesystem, self.handle = filesystem, handle
        self.size = filesystem.size(handle)

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes. Raises Conflict where they were taken away meanwhile."""
        found = bytearray()
        with meaning():
            while len(found) < length:
                piece = self._filesystem.pread(self.handle, length - len(found), offset + len(found))
                if not piece:
                    raise Conflict("The upload was begun anew meanwhile.")
                if len(piece) == length:
                    return piece
                found += piece
        return bytes(found)

    def close(self) -> None:
        self._filesystem.close(self.handle)


class StagedUploads:
    """Begins, resumes, measures and forgets uploads."""

    def __init__(self, layout: Layout, filesystem: FileSystem, durable: Durable) -> None:
        self._layout, self._filesystem, self._durable = layout, filesystem, durable

    def begin(self, agreement: Agreement) -> None:
        """An empty upload that survives a power cut when this returns."""
        with meaning():
            self._filesystem.close(self._filesystem.open(self._layout.part(agreement.upload_id), CREATE))
            try:
                if agreement.part_size is not None:
                    self._filesystem.close(self._filesystem.open(self._layout.parts(agreement.upload_id), CREATE))
                self.agree(agreement)
            except BaseException:
                self.forget(agreement.upload_id)
                raise

    def agree(self, agreement: Agreement) -> None:
        """Durable when this returns."""
        path = self._layout.upload(agreement.upload_id)
        with meaning():
            replace_durably(self._filesystem, self._durable, self._layout.temporary(), path, encode(agreement))

    def agreement(self, upload_id: UUID) -> Agreement:
        """Raises OSError, and ValueError for what cannot be read."""
        return decode(upload_id, read_small(self._filesystem, self._layout.upload(upload_id)))

    def agree_again(self, change: Change) -> None:
        """What the log says of an upload, unless it is gone, or another one of its id came after it. Not flushed."""
        path = self._layout.upload(change.file_id)
        with meaning():
            if self._is_of(change):
                replace(self._filesystem, self._layout.temporary(), path, change.record)

    def _is_of(self, change: Change) -> bool:
        try:
            there = self.agreement(change.file_id)
        except FileNotFoundError:
            return False
        except ValueError:
            return True  # written by this very call, and cut short: the first agreement was flushed whole
        except OSError as error:
            if error.errno not in NOT_GIVEN_OUT:
                raise
            return True  # what the disk does not give out is put anew, in another place
        return there.mark == decode(change.file_id, change.record).mark

    def cut_to_received(self, agreement: Agreement) -> int:
        """Takes off what a power cut may have left of bytes that were not flushed; gives what is left. Raises OSError."""
        path = self._layout.part(agreement.upload_id)
        handle = self._filesystem.open(path, APPEND)
        try:
            size = self._filesystem.size(handle)
            if agreement.received is not None and agreement.received < size:
                self._filesystem.truncate(handle, agreement.received)
                return agreement.received
            return size
        finally:
            self._filesystem.close(handle)

    def measure(self, upload_id: UUID) -> int:
        """How many bytes are there. Raises NotFound."""
        handle = self._open(upload_id)
        try:
            return self._filesystem.size(handle)
        finally:
            self._filesystem.close(handle)

    def last_received(self, upload_id: UUID) -> datetime:
        """When bytes last came. Raises NotFound where there is no file for them."""
        try:
            modified = self._filesystem.modified(self._layout.part(upload_id))
        except FileNotFoundError:
            raise _no_upload() from None
        except OSError as error:
            raise failure(error) from error
        return datetime.fromtimestamp(modified, UTC)

    def open(self, upload_id: UUID) -> StagedReader:
        """Raises NotFound."""
        handle = self._open(upload_id)
        try:
            with meaning():
                return StagedReader(self._filesystem, handle)
        except BaseException:
            self._filesystem.close(handle)
            raise

    def resume(self, upload_id: UUID, known: RunningHash | None) -> Writer:
        """Raises NotFound."""
        try:
            return Writer.resume(self._filesystem, self._durable, self._layout.part(upload_id), known)
        except FileNotFoundError:
            raise _no_upload() from None
        except OSError as error:
            raise failure(error) from error

    def restart(self, upload_id: UUID) -> Writer:
        """An upload that is there, cut to nothing. Raises NotFound."""
        try:
            return Writer.restart(self._filesystem, self._durable, self._layout.part(upload_id))
        except FileNotFoundError:
            raise _no_upload() from None
        except OSError as error:
            raise failure(error) from error

    def forget(self, upload_id: UUID) -> None:
        """Removes what is left of it. The agreement goes first: bytes without one are swept up at the next start."""
        for path in (self._layout.upload(upload_id), self._layout.parts(upload_id), self._layout.part(upload_id)):
            with contextlib.suppress(OSError):
                self._filesystem.unlink(path)

    def _open(self, upload_id: UUID) -> int:
        try:
            return self._filesystem.open(self._layout.part(upload_id), READ)
        except FileNotFoundError:
            raise _no_upload() from None
        except OSError as error:
            raise failure(error) from error


def _no_upload() -> NotFound:
    return NotFound("There is no such upload.")
