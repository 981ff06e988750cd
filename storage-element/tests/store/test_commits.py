"""Many change at once, on a disk that stands still, fails or is full: groups, outcomes, order, back-pressure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from artstore_core.errors import ArtStoreError, Conflict, StorageFull, StorageUnavailable
from artstore_core.files import Attributes
from element_fake_disk import FakeDisk, as_disk
from element_roots import ONE, change, file_id, put
from storage_element.store.applying import Bounds
from storage_element.store.changes import Change, ChangeKind, Logged, Settled
from storage_element.store.checkpoint import Checkpoints
from storage_element.store.commits import Commits
from storage_element.store.workers import Workers

MIB = 1024 * 1024
HELD = 10.0


class Store:
    """Commits on a fake disk."""

    def __init__(self, max_log_bytes: int = 1024 * MIB, bounds: Bounds = Bounds()) -> None:  # noqa: B008
        self.disk = FakeDisk()
        self.heard: list[list[Logged]] = []
        loop = asyncio.get_running_loop()
        self.commits = Commits(as_disk(self.disk), loop, self._logged, max_log_bytes, bounds)
        self.checkpoints = Checkpoints(as_disk(self.disk), self.commits, loop, MIB, 3600)
        self.workers = Workers()
        self.commits.start()

    def _logged(self, group: Sequence[Logged], _seconds: float) -> None:
        self.heard.append(list(group))

    def submit(self, made: Change) -> asyncio.Task[Any]:
        return asyncio.create_task(self.commits.submit(made.file_id, lambda _there: made))

    def add_tag(self, tag: str, number: UUID = ONE) -> asyncio.Task[Any]:
        def decide(there: Attributes | None) -> Change:
            assert there is not None
            return change(ChangeKind.SET, number, revision=there.revision + 1, tags=[*there.tags, tag])

        return asyncio.create_task(self.commits.submit(number, decide))

    async def reached(self, gate: Any) -> None:
        assert await asyncio.to_thread(gate.reached.acquire, timeout=HELD)

    async def first_held(self) -> asyncio.Task[Any]:
        """One change that is being appended, and holds up all that come after it."""
        self.disk.appending.shut()
        task = self.submit(put(file_id(1000)))
        await self.reached(self.disk.appending)
        return task

    async def stop(self) -> None:
        self.disk.appending.open()
        self.disk.applying.open()
        await asyncio.to_thread(self.commits.stop)
        self.workers.close()


@pytest.fixture
def bounds() -> Bounds:
    return Bounds()


@pytest.fixture
async def store(bounds: Bounds) -> AsyncIterator[Store]:
    made = Store(bounds=bounds)
    yield made
    await made.stop()


async def started(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Each has come as far as it comes by itself."""
    for _ in range(3):
        await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)


async def test_all_that_waits_while_the_log_is_busy_goes_into_one_group(store: Store) -> None:
    first = await store.first_held()
    tasks = [store.submit(put(file_id(number))) for number in range(100)]
    await started(tasks)
    store.disk.appending.open()
    outcomes = await asyncio.gather(first, *tasks)
    assert [len(group) for group in store.disk.groups] == [1, 100]
    assert [outcome.sequence for outcome in outcomes] == list(range(1, 102))
    assert [len(group) for group in store.heard] == [1, 100]


async def test_group_has_its_bounds(store: Store) -> None:
    first = await store.first_held()
    many = [store.submit(put(file_id(number))) for number in range(1200)]
    await started(many)
    store.disk.appending.open()
    await asyncio.gather(first, *many)
    assert [len(group) for group in store.disk.groups] == [1, 512, 512, 176]
    first = await store.first_held()
    heavy = [store.submit(put(file_id(2000 + number), bytes(MIB))) for number in range(20)]
    await started(heavy)
    store.disk.appending.open()
    await asyncio.gather(first, *heavy)
    assert [len(group) for group in store.disk.groups[5:]] == [8, 8, 4]


async def test_changes_of_one_file_in_one_group_build_on_each_other(store: Store) -> None:
    await store.submit(put())
    first = await store.first_held()
    tasks = [store.add_tag(str(number)) for number in range(20)]
    await started(tasks)
    store.disk.appending.open()
    outcomes = await asyncio.gather(*tasks)
    await first
    assert [outcome.change.attributes.revision for outcome in outcomes] == list(range(2, 22))
    assert outcomes[-1].change.attributes.tags == [str(number) for number in range(20)]
    assert len(store.disk.groups) == 3


async def test_failed_append_fails_exactly_its_group(store: Store) -> None:
    await store.submit(put())
    store.disk.append_error = StorageFull("full")
    first = await store.first_held()
    settled = asyncio.create_task(store.commits.submit(uuid4(), lambda _there: Settled("as it was")))
    on_group = asyncio.create_task(store.commits.submit(file_id(1), lambda there: Settled(there)))
    tasks = [store.submit(put(file_id(number))) for number in range(2, 5)]
    builds_on_it = asyncio.create_task(store.commits.submit(file_id(2), lambda there: Settled(there)))
    await started([*tasks, settled, on_group, builds_on_it])
    store.disk.appending.open()
    outcomes = await asyncio.gather(first, *tasks, builds_on_it, return_exceptions=True)
    assert all(isinstance(outcome, StorageFull) for outcome in outcomes)  # the last one too: it saw what is not there
    assert await settled == Settled("as it was")
    assert await on_group == Settled(None)
    assert store.heard == [store.heard[0]]
    store.disk.append_error = None
    assert (await store.submit(put(file_id(2)))).sequence == 2


async def test_refusal_concerns_one_change_alone(store: Store) -> None:
    def refuse(_there: Attributes | None) -> Change:
        raise Conflict("no")

    def broken(_there: Attributes | None) -> Change:
        raise ZeroDivisionError

    first = await store.first_held()
    tasks = [
        store.submit(put(file_id(1))),
        *(asyncio.create_task(store.commits.submit(ONE, d)) for d in (refuse, broken)),
    ]
    tasks.append(store.submit(put(file_id(2))))
    await started(tasks)
    store.disk.appending.open()
    outcomes: list[Any] = await asyncio.gather(*tasks, return_exceptions=True)
    await first
    one, two, three, four = outcomes
    assert (one.sequence, type(two), type(three), four.sequence) == (2, Conflict, ZeroDivisionError, 3)
    assert [len(group) for group in store.disk.groups] == [1, 2]


async def test_nothing_is_decided_in_the_group_of_a_mode_change_after_it(store: Store) -> None:
    first = await store.first_held()
    tasks = [store.submit(put(file_id(1))), store.submit(Change(ChangeKind.MODE, UUID(int=0), b"{}"))]
    tasks.append(store.submit(put(file_id(2))))
    await started(tasks)
    store.disk.appending.open()
    await asyncio.gather(first, *tasks)
    assert [len(group) for group in store.disk.groups] == [1, 2, 1]


async def test_cancelled_submitter_learns_the_outcome_before_it_ends(store: Store) -> None:
    first = await store.first_held()
    task = store.submit(put())
    await started([task])
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    store.disk.appending.open()
    with pytest.raises(asyncio.CancelledError):
        await task
    await first
    assert [change.file_id for group in store.disk.groups for change in group] == [file_id(1000), ONE]
    assert (await store.commits.submit(ONE, lambda there: Settled(there))).value is not None  # type: ignore[union-attr]


async def test_decisions_see_what_is_logged_and_not_applied(store: Store) -> None:
    store.disk.applying.shut()
    await store.submit(put())
    await store.add_tag("a")
    assert (await store.add_tag("b")).change.attributes.tags == ["a", "b"]
    pending = store.commits.applying.get(ONE)
    assert pending is not None
    assert pending.sequence == 3
    assert store.commits.applying.bytes_of(ONE) is not None
    await store.submit(change(ChangeKind.PURGE))
    assert (await store.commits.submit(ONE, lambda there: Settled(there))) == Settled(None)
    store.disk.applying.open()
    await store.commits.caught_up()
    assert store.commits.applying.get(ONE) is None
    assert store.commits.applying.bytes_of(ONE) is None
    assert store.disk.files == {}


async def test_stop_commits_and_applies_what_waits_and_refuses_what_comes(store: Store) -> None:
    first = await store.first_held()
    tasks = [store.submit(put(file_id(number))) for number in range(10)]
    await started(tasks)
    stopping = asyncio.create_task(asyncio.to_thread(store.commits.stop))
    store.disk.appending.open()
    await stopping
    await asyncio.gather(first, *tasks)
    assert len(store.disk.files) == 11
    with pytest.raises(StorageUnavailable):
        await store.submit(put(file_id(20)))
    with pytest.raises(StorageUnavailable):  # the disk may be another opening's by then
        await asyncio.to_thread(store.commits.between_groups, lambda: None)
    assert await asyncio.to_thread(store.commits.between_groups, lambda: "here", after_stop=True) == "here"


@pytest.mark.parametrize("bounds", [Bounds(bytes=4 * MIB)])
async def test_changes_wait_while_too_much_is_pending(store: Store) -> None:
    store.disk.applying.shut()
    tasks = [store.submit(put(file_id(number), bytes(MIB))) for number in range(4)]
    await asyncio.gather(*tasks)
    more = store.submit(put(file_id(9)))
    await store.reached(store.disk.applying)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(more), 0.1)
    assert store.commits.applying.inline_bytes >= 4 * MIB
    store.disk.applying.open()
    await more


async def test_other_files_go_past_one_that_a_full_disk_does_not_take(store: Store) -> None:
    store.disk.full = {ONE}
    store.disk.applying.shut()
    tasks = [store.submit(put()), store.submit(put(file_id(1))), store.add_tag("a"), store.submit(put(file_id(2)))]
    await asyncio.gather(*tasks)
    store.disk.applying.open()
    await store.commits.caught_up()
    applying = store.commits.applying
    assert applying.stalled
    assert [logged.change.file_id for logged in store.disk.applied] == [file_id(1), file_id(2)]
    assert (applying.count, applying.applied) == (2, 0)  # the feed must not go past the first
    assert applying.get(ONE) is not None
    with pytest.raises(StorageFull):
        await store.submit(put(file_id(3)))
    with pytest.raises(StorageFull):
        await asyncio.to_thread(applying.wait_until, 1)
    store.disk.full = set()
    await until(applying, lambda: not applying.stalled)
    assert [logged.sequence for logged in store.disk.applied] == [2, 4, 1, 3]
    assert applying.applied == 4
    await store.commits.caught_up()
    assert (await store.submit(put(file_id(3)))).sequence == 5


async def until(applying: Any, true: Any) -> None:
    def wait() -> bool:
        with applying._changed:
            return bool(applying._changed.wait_for(true, HELD))

    assert await asyncio.to_thread(wait)


async def test_purge_gets_through_a_full_disk(store: Store) -> None:
    await store.submit(put(file_id(1)))
    await store.commits.caught_up()
    store.disk.full = {ONE}
    await store.submit(put())
    await store.commits.caught_up()
    assert store.commits.applying.stalled
    await store.submit(change(ChangeKind.PURGE, file_id(1)))
    await until(store.commits.applying, lambda: file_id(1) not in store.disk.files)
    await store.submit(change(ChangeKind.PURGE))  # of the one that had no room: nothing stands in the way any more
    await until(store.commits.applying, lambda: not store.commits.applying.stalled)
    await store.commits.caught_up()
    assert store.commits.applying.applied == 4
    assert store.disk.files == {}
    assert store.commits.applying.used_bytes == 0


@pytest.mark.parametrize("bounds", [Bounds(changes=8)])
async def test_purge_gets_through_however_much_is_pending(store: Store) -> None:
    store.disk.full = {file_id(number) for number in range(20)}
    first = await store.first_held()
    tasks = [store.submit(put(file_id(number))) for number in range(12)]
    await started(tasks)
    store.disk.appending.open()
    await asyncio.gather(first, *tasks)
    await store.commits.caught_up()
    assert store.commits.applying.count == 12
    async with asyncio.timeout(HELD):
        with pytest.raises(StorageFull):
            await store.submit(put(file_id(13)))
        assert (await store.submit(change(ChangeKind.PURGE, file_id(1000)))).sequence == 14
    store.disk.index_full = True  # then not even purges are done with, and they must not pile up
    with pytest.raises(StorageFull):
        for _ in range(17):
            await store.submit(change(ChangeKind.PURGE, file_id(1000)))
    assert store.commits.applying.count <= 16
    store.disk.index_full = False
    store.disk.full = set()


async def test_full_index_holds_everything_and_loses_nothing(store: Store) -> None:
    store.disk.index_full = True
    await store.submit(put())
    await store.commits.caught_up()
    assert store.commits.applying.stalled
    assert store.commits.applying.get(ONE) is not None
    store.disk.index_full = False
    await until(store.commits.applying, lambda: not store.commits.applying.stalled)
    assert store.disk.index.applied == 1


@pytest.mark.parametrize("error", [StorageUnavailable("gone"), OSError(5, "x"), ZeroDivisionError()])
async def test_broken_applying_ends_changes_and_holds_up_nobody(store: Store, error: Exception) -> None:
    store.disk.apply_error = error
    await store.submit(put())
    async with asyncio.timeout(HELD):
        await store.commits.caught_up()
        await until(store.commits.applying, lambda: store.commits.applying.broken is not None)
        with pytest.raises(StorageUnavailable):
            await store.submit(put(file_id(1)))
        with pytest.raises(StorageUnavailable):
            await store.workers.run(store.checkpoints.now)
    assert store.commits.applying.get(ONE) is not None  # readers are served from it


async def test_used_bytes_count_each_file_once(store: Store) -> None:
    store.disk.applying.shut()
    tasks = [store.submit(put(file_id(number), b"x")) for number in range(50)]
    await asyncio.gather(*tasks)
    assert store.commits.applying.used_bytes == 50
    store.disk.applying.open()
    await store.commits.caught_up()
    assert store.commits.applying.used_bytes == 50


async def test_checkpoint_flushes_before_it_drops_and_only_what_was_applied(store: Store) -> None:
    staged = Change(ChangeKind.PUT, ONE, b"{}", put().attributes, staged="a.tmp")
    await store.submit(staged)
    assert await store.workers.run(store.checkpoints.now) == 1
    assert store.disk.steps == ["rotate", "flush", "drop"]
    assert store.disk.dropped == ["a.tmp"]
    store.disk.applying.shut()
    await store.submit(put(file_id(1)))
    store.disk.rotated.clear()
    making = asyncio.create_task(store.workers.run(store.checkpoints.now))
    await asyncio.to_thread(store.disk.rotated.wait, HELD)
    await store.submit(put(file_id(2)))  # goes on meanwhile
    assert not making.done()
    assert store.disk.steps == ["rotate", "flush", "drop", "rotate"]
    store.disk.applying.open()
    assert await making >= 2
    assert await store.workers.run(store.checkpoints.now) == 3


async def test_changes_wait_for_a_checkpoint_when_the_log_is_too_long() -> None:
    store = Store(max_log_bytes=MIB)
    try:
        await store.submit(put(ONE, bytes(MIB)))
        waiting = store.submit(put(file_id(1)))
        await started([waiting])
        assert len(store.disk.groups) == 1
        await store.workers.run(store.checkpoints.now)
        assert (await waiting).sequence == 2
    finally:
        await store.stop()


@pytest.mark.parametrize("why", ["full", "failed"])
async def test_changes_do_not_wait_for_a_checkpoint_that_cannot_come(why: str) -> None:
    store = Store(max_log_bytes=MIB)
    try:
        store.disk.full = {ONE} if why == "full" else set()
        await store.submit(put(ONE, bytes(MIB)))
        await store.commits.caught_up()
        waiting = store.submit(put(file_id(1)))
        if why == "failed":
            await started([waiting])
            store.disk.failed, store.disk.append_error = True, StorageUnavailable("failed")
            store.disk.apply_error = StorageUnavailable("failed")
            store.commits.look_again()  # as a checkpoint that fails does
        with pytest.raises(ArtStoreError):
            async with asyncio.timeout(HELD):
                await waiting
    finally:
        store.disk.append_error = store.disk.apply_error = None
        await store.stop()


async def test_more_than_may_wait_wait_outside(store: Store) -> None:
    first = await store.first_held()
    tasks = [store.submit(put(file_id(number))) for number in range(2500)]
    await started(tasks)
    assert len(store.commits._waiting) < 2048
    store.disk.appending.open()
    await asyncio.gather(first, *tasks)
    assert len(store.disk.files) <= 2501
