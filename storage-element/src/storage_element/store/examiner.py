"""Looking at single files, and putting right, or setting aside, what is wrong with them (requirements S7, S14).

Uploads, changes and removals go on meanwhile. So whatever looks wrong is looked at again under a watch, and the change
that follows is decided in the committing thread, only if the file is still what was looked at.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, ParamSpec, TypeVar
from uuid import UUID

from artstore_core.errors import ArtStoreError, NotFound, StorageUnavailable
from artstore_core.files import Attributes

from storage_element.store import decisions
from storage_element.store.changes import Change, Logged, Settled
from storage_element.store.commits import Decide
from storage_element.store.element import Element
from storage_element.store.findings import (
    DAMAGE,
    Finding,
    FindingKind,
    compare,
    diagnose,
    has_bytes,
    is_known,
    may_heal,
)
from storage_element.store.inspection import Inspection, Seen
from storage_element.store.ports import Clock, NotGivenOut
from storage_element.store.watching import Watch
from storage_element.store.workers import Workers

P = ParamSpec("P")
T = TypeVar("T")
Spent = Callable[[int], Awaitable[None]]
"""Is told of bytes that were read, and may make the reader wait, or end it by an exception."""
Tell = Callable[[Finding], None]
_MOST_ROUNDS: Final = 4
"""So many things can be wrong with one file, one after the other: a record that is missing, then its data."""


class ReadFailed(Exception):
    """The disk is there, and does not give out this one file. `by_the_disk`: it is the disk that says so, and not this
    process that has no descriptors left."""

    def __init__(self, error: StorageUnavailable) -> None:
        super().__init__(error.message)
        self.by_the_disk = isinstance(error, NotGivenOut)


class Examiner:
    """Safe beside everything else, another examination of the same file among that."""

    def __init__(self, disk: Inspection, element: Element, workers: Workers, now: Clock) -> None:
        self._disk, self._element, self._workers, self._now = disk, element, workers, now

    def glance(self, ids: Iterable[UUID], known: Mapping[UUID, Attributes]) -> list[UUID]:
        """For a worker thread: which of these files do not look right. Some of them may only have changed since `known`
        was read."""
        return [file_id for file_id in ids if not self._looks_right(file_id, known.get(file_id))]

    async def read(self, file_id: UUID, spent: Spent) -> tuple[str, int] | None:
        """SHA-256 in hex and size of a file's data; None where it is missing. Raises ReadFailed."""
        try:
            hashing = await self._of_disk(self._disk.hashing, file_id)
        except NotFound:
            return None
        try:
            await spent(hashing.size)
            while not hashing.done:
                await spent(await self._of_disk(hashing.advance))
        finally:
            if not hashing.done:
                await self._workers.run(hashing.close)
        return hashing.checksum(), hashing.size

    async def judge(self, file_id: UUID, tell: Tell, spent: Spent | None = None, *, heal: bool = False) -> None:
        """Looks until nothing is wrong any more that can be seen to. With `spent` the bytes are read, too, and with
        `heal` those of a damaged file. Raises ReadFailed, StorageFull, StorageUnavailable."""
        told: set[FindingKind] = set()
        while len(told) < _MOST_ROUNDS:
            await self._element.commits.caught_up()
            with self._element.watching(file_id) as watch:
                if watch.changed:
                    return  # somebody is changing it: what he leaves is looked at the next time
                kind, settled = await self._round(file_id, watch, spent, heal)
            if kind is None or not settled or kind in told:
                return
            tell(Finding(kind=kind, file_id=file_id, at=self._now()))
            told.add(kind)

    async def give_up(self, file_id: UUID, tell: Tell) -> bool:
        """Makes damaged what the disk did not give out for too often, and says whether that was done. Only names are
        moved. A record is written anew from the index's copy; where there is none, everything stays as it is. Raises
        ReadFailed, StorageFull, StorageUnavailable."""
        await self._element.commits.caught_up()
        with self._element.watching(file_id) as watch:
            known = await self._element.read_index(lambda index: index.get(file_id))
            if watch.changed or known is None or not is_known(known):
                return False
            moved = await self._set_aside_record(file_id, watch)
            if moved is None:
                return await self._give_up_data(known, watch, tell)
        self._element.quarantine_bytes += moved
        await self.judge(file_id, tell)  # a record that is missing
        return True

    async def _set_aside_record(self, file_id: UUID, watch: Watch) -> int | None:
        def work() -> int | None:
            return None if watch.changed else self._disk.set_aside_unreadable(file_id)

        return await self._of_disk(self._element.commits.between_groups, work)

    async def _give_up_data(self, known: Attributes, watch: Watch, tell: Tell) -> bool:
        if not has_bytes(known, self._now()):
            return False
        try:
            size = (await self._of_disk(self._disk.seen, known.file_id)).size
        except ReadFailed:
            size = None
        kind = FindingKind.DATA_UNREADABLE
        done = await self._submit(
            known.file_id,
            watch,
            lambda there: decisions.give_up(there, known, DAMAGE[kind], movable=size is not None),
        )
        if done:
            self._element.quarantine_bytes += size or 0
            tell(Finding(kind=kind, file_id=known.file_id, at=self._now()))
        return done

    async def _round(
        self, file_id: UUID, watch: Watch, spent: Spent | None, heal: bool
    ) -> tuple[FindingKind | None, bool]:
        """What is wrong, and whether that is so for certain, and was seen to."""
        seen = await self._of_disk(self._disk.seen, file_id)
        known = await self._element.read_index(lambda index: index.get(file_id))
        kind = diagnose(seen, known, self._now())
        if kind is None and seen.record is not None and spent is not None:
            kind = await self._by_its_bytes(seen, seen.record, spent, heal)
        if kind is None:
            return None, False
        return kind, await self._act(kind, file_id, seen, known, watch)

    async def _by_its_bytes(self, seen: Seen, record: Attributes, spent: Spent, heal: bool) -> FindingKind | None:
        if not has_bytes(record, self._now()) and not (heal and may_heal(seen)):
            return None
        found = await self.read(record.file_id, spent)
        return None if found is None else compare(record, *found)

    async def _act(self, kind: FindingKind, file_id: UUID, seen: Seen, known: Attributes | None, watch: Watch) -> bool:
        match kind:
            case FindingKind.ORPHANED_DATA:
                return await self._set_aside(file_id, seen, watch)
            case FindingKind.RECORD_MISSING if known is not None:
                copy = known
                await self._of_disk(self._disk.make_place, file_id)
                return await self._submit(file_id, watch, lambda _: decisions.restore(copy, DAMAGE[kind]))
            case FindingKind.RECORD_UNREADABLE:
                return await self._replace_record(file_id, known, watch)
        record = seen.record
        if record is None:
            return False
        match kind:
            case FindingKind.RECORD_CHANGED:
                return await self._submit(file_id, watch, lambda there: decisions.take_over(there, record))
            case FindingKind.HEALED:
                return await self._submit(file_id, watch, lambda there: decisions.heal(there, record))
        done = await self._submit(file_id, watch, lambda there: decisions.damage(there, record, DAMAGE[kind]))
        if done:
            self._element.quarantine_bytes += seen.size or 0
        return done

    async def _replace_record(self, file_id: UUID, known: Attributes | None, watch: Watch) -> bool:
        """By the index's copy. Where the index says no more than that there is something, that stays as it is, for
        somebody to mend; where it says nothing, it is told so much."""
        if known is not None and not is_known(known):
            return True
        self._element.quarantine_bytes += await self._of_disk(self._disk.keep_record, file_id)
        why = DAMAGE[FindingKind.RECORD_UNREADABLE]

        def decide(there: Attributes | None) -> Change | Settled:
            copy = known or there
            return Settled(None) if copy is None else decisions.restore(copy, why)

        return await self._submit(file_id, watch, decide)

    async def _set_aside(self, file_id: UUID, seen: Seen, watch: Watch) -> bool:
        def work() -> int | None:
            if watch.changed or self._disk.seen(file_id) != seen:
                return None
            return self._disk.set_aside_data(file_id)

        moved = await self._element.between_changes(work)
        self._element.quarantine_bytes += moved or 0
        return moved is not None

    async def _submit(self, file_id: UUID, watch: Watch, decide: Decide) -> bool:
        """Whether the change was made."""

        def unless_changed(there: Attributes | None) -> Change | Settled:
            return Settled(None) if watch.changed else decide(there)

        return isinstance(await self._element.submit(file_id, unless_changed), Logged)

    def _looks_right(self, file_id: UUID, known: Attributes | None) -> bool:
        try:
            return diagnose(self._disk.seen(file_id), known, self._now()) is None
        except ArtStoreError:
            return False

    async def _of_disk(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await self._workers.run(work, *args, **kwargs)
        except StorageUnavailable as error:
            await self._element.probe()
            raise ReadFailed(error) from error
