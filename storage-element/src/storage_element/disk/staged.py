"""Resumable uploads: half files that outlive a restart, and what was agreed when they began."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from artstore_core.errors import NotFound

from storage_element.disk.durable import Durable
from storage_element.disk.failures import failure, meaning
from storage_element.disk.filesystem import CREATE, READ, FileSystem
from storage_element.disk.layout import Layout
from storage_element.disk.small_files import read_small, replace_durably
from storage_element.disk.writer import RunningHash, Writer
from storage_element.store import ports

_SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Agreement:
    """One upload as it was reserved. `size` is the most it may grow to, in bytes; None when nobody knew."""

    upload_id: UUID
    size: int | None
    created_at: datetime


class StagedUploads:
    """Begins, resumes, measures and forgets uploads."""

    def __init__(self, layout: Layout, filesystem: FileSystem, durable: Durable) -> None:
        self._layout, self._filesystem, self._durable = layout, filesystem, durable

    def begin(self, agreement: ports.Agreement) -> None:
        """An empty upload that survives a power cut when this returns."""
        content = {
            "schema_version": _SCHEMA_VERSION,
            "upload_id": str(agreement.upload_id),
            "size": agreement.size,
            "created_at": agreement.created_at.isoformat(),
        }
        with meaning():
            self._filesystem.close(self._filesystem.open(self._layout.part(agreement.upload_id), CREATE))
            try:
                replace_durably(
                    self._filesystem,
                    self._durable,
                    self._layout.temporary(),
                    self._layout.upload(agreement.upload_id),
                    json.dumps(content).encode(),
                )
            except BaseException:
                self.forget(agreement.upload_id)
                raise

    def agreement(self, upload_id: UUID) -> Agreement:
        """Raises OSError, and ValueError for what cannot be read."""
        content = json.loads(read_small(self._filesystem, self._layout.upload(upload_id)))
        try:
            size, created_at = content["size"], datetime.fromisoformat(content["created_at"])
        except (KeyError, TypeError) as error:
            raise ValueError("not an agreement") from error
        if not (size is None or isinstance(size, int)) or created_at.tzinfo is None:
            raise ValueError("not an agreement")
        return Agreement(upload_id, size, created_at)

    def measure(self, upload_id: UUID) -> int:
        """How many bytes are there. Raises NotFound."""
        try:
            handle = self._filesystem.open(self._layout.part(upload_id), READ)
        except FileNotFoundError:
            raise _no_upload() from None
        except OSError as error:
            raise failure(error) from error
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

    def resume(self, upload_id: UUID, known: RunningHash | None) -> Writer:
        """Raises NotFound."""
        try:
            return Writer.resume(self._filesystem, self._durable, self._layout.part(upload_id), known)
        except FileNotFoundError:
            raise _no_upload() from None
        except OSError as error:
            raise failure(error) from error

    def forget(self, upload_id: UUID) -> None:
        """Removes what is left of it. The agreement goes first: bytes without one are swept up at the next start."""
        for path in (self._layout.upload(upload_id), self._layout.part(upload_id)):
            with contextlib.suppress(OSError):
                self._filesystem.unlink(path)


def _no_upload() -> NotFound:
    return NotFound("There is no such upload.")
