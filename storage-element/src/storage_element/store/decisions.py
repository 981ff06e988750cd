"""What a change makes of a file as it stands: pure rules, applied in the committing thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from artstore_core.attr_json import encode
from artstore_core.errors import Conflict, NotFound, PreconditionFailed
from artstore_core.files import Attributes, File, FileStatus

from storage_element.store.changes import Change, ChangeKind, Settled
from storage_element.store.records import Update, damaged, deleted, healed, updated

Matches = Callable[[str], bool]
"""Whether If-Match lets a revision's entity tag pass."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that is safe; `new` unless it was there before."""

    file: File
    new: bool


def keep(there: Attributes | None, change: Change) -> Change | Settled:
    """The PUT that `change` is. The same file once more is no change; on a damaged one it puts the bytes right.

    Raises Conflict for an id that other bytes have, or had.
    """
    if there is None:
        return change
    new = change.attributes
    if new is None or there.checksum != new.checksum or there.size != new.size:
        raise Conflict("A file with this id and other bytes exists.")
    if there.status is FileStatus.DELETED:
        raise Conflict("A file with this id was deleted.")
    if there.status is not FileStatus.DAMAGED:
        return Settled(Kept(there.public(), new=False))
    whole = healed(there)
    return Change(ChangeKind.PUT, there.file_id, encode(whole), whole, change.body, change.staged)


def update(there: Attributes | None, given: Update, matches: Matches, now: datetime) -> Change:
    """Raises NotFound, PreconditionFailed."""
    return set_record(updated(_current(there, matches, now), given))


def delete(there: Attributes | None, by: str, matches: Matches, now: datetime, *, at_once: bool = False) -> Change:
    """`at_once`: what the garbage collection would do later, now. Raises NotFound, PreconditionFailed."""
    gone = deleted(_current(there, matches, now), by, now)
    return set_record(gone, ChangeKind.PURGE if at_once else ChangeKind.SET)


def purge(there: Attributes | None, now: datetime) -> Change | Settled:
    """Only what is deleted, or expired by now: the record is looked at again, whatever the index said."""
    if there is None or not (there.status is FileStatus.DELETED or there.is_expired(now)):
        return Settled(None)
    last = there if there.status is FileStatus.DELETED else there.model_copy(update={"status": FileStatus.DELETED})
    return Change(ChangeKind.PURGE, there.file_id, encode(last), last)


def damage(there: Attributes | None, seen: Attributes, why: str) -> Change | Settled:
    """The file is damaged, if it is still what was looked at; its data goes into quarantine."""
    return set_record(damaged(seen, why), ChangeKind.DAMAGE) if there == seen else Settled(None)


def give_up(there: Attributes | None, known: Attributes, why: str, *, movable: bool) -> Change | Settled:
    """The same for a file that the disk does not give out. Data that cannot even be looked at stays where it is: to move
    it could fail for ever."""
    kind = ChangeKind.DAMAGE if movable else ChangeKind.SET
    return set_record(damaged(known, why), kind) if there == known else Settled(None)


def heal(there: Attributes | None, seen: Attributes) -> Change | Settled:
    """The same for a damaged file whose data was found right, where it lies."""
    return set_record(healed(seen)) if there == seen else Settled(None)


def take_over(there: Attributes | None, seen: Attributes) -> Change | Settled:
    """A record that somebody put there is the truth."""
    return set_record(seen) if there == seen else Settled(None)


def restore(copy: Attributes, why: str) -> Change:
    """The record of a copy where the file's own is lost: damaged until its data was read, unless it was deleted. One that
    has expired goes with the next garbage collection, which asks whether the clock can be believed."""
    if copy.status is FileStatus.DELETED:
        return set_record(copy, ChangeKind.PURGE)
    return set_record(copy if copy.status is FileStatus.DAMAGED else damaged(copy, why))


def set_record(record: Attributes, kind: ChangeKind = ChangeKind.SET) -> Change:
    return Change(kind, record.file_id, encode(record), record)


def revision_tag(file: File) -> str:
    """The entity tag of what is known of a file (RFC 9110 §8.8.3)."""
    return f'"{file.revision}"'


def is_there(file: File, now: datetime) -> bool:
    """For its readers: neither deleted nor expired. A damaged file is there."""
    return file.status in (FileStatus.ACTIVE, FileStatus.DAMAGED) and not file.is_expired(now)


def readable(record: Attributes, now: datetime) -> Attributes:
    """Raises NotFound for one that is there no more."""
    if not is_there(record, now):
        raise NotFound("There is no such file.")
    return record


def _current(there: Attributes | None, matches: Matches, now: datetime) -> Attributes:
    if there is None or not is_there(there, now):
        raise NotFound("There is no such file.")
    if not matches(revision_tag(there)):
        raise PreconditionFailed("The file is not in the revision that If-Match names.")
    return there
