"""Whether this version understands what a record of the log says, before the first of them is applied."""

from __future__ import annotations

from artstore_core import attr_json
from artstore_core.errors import StorageUnavailable

from storage_element.disk import layout as names
from storage_element.disk.wal.format import Malformed
from storage_element.store import agreement
from storage_element.store.changes import Change, ChangeKind
from storage_element.store.records import mode_of


def check_meaning(change: Change) -> None:
    """Raises Malformed."""
    try:
        match change.kind:
            case ChangeKind.MODE:
                mode_of(change.record)
            case ChangeKind.STAGED:
                agreement.decode(change.file_id, change.record)
            case ChangeKind.PUT | ChangeKind.SET | ChangeKind.DAMAGE | ChangeKind.PURGE:
                _check_file(change)
    except (ValueError, StorageUnavailable):
        # Without the error's own words: they may quote what people wrote into a record.
        about = f"{change.kind.name} of {change.file_id}"
        raise Malformed(f"the record of {about} is not understood; a newer version may have written it") from None


def _check_file(change: Change) -> None:
    if attr_json.decode(change.record).file_id != change.file_id:
        raise ValueError("the record is another file's")
    if change.staged is not None and not names.is_name_of_bytes(change.staged):
        raise ValueError("not a name in staging")
