"""What is promised and cannot be put into its place, or flushed, yet: on a disk that is slow, full or broken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from artstore_core.errors import ArtStoreError, StorageFull, StorageUnavailable
from element_commits import HELD, MIB, Store, started
from element_fake_disk import Gate
from element_roots import ONE, change, file_id, put
from storage_element.store.applying import AT_ONCE, Bounds
from storage_element.store.changes import Change, ChangeKind


@pytest.fixture
def bounds() -> Bounds:
    return Bounds()


@pytest.fixture
async def store(bounds: Bounds) -> AsyncIterator[Store]:
    made = Store(bounds=bounds)
    yield made
    await made.stop()


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


class Turns(Gate):
    """Lets so many through before it holds anybody."""

    def __init__(self, turns: int) -> None:
        super().__init__()
        self._turns = turns

    def passed(self) -> None:
        if self._turns:
            self._turns -= 1
        else:
            super().passed()


@pytest.mark.parametrize("bounds", [Bounds(changes=2 * AT_ONCE)])
async def test_room_is_made_while_most_of_what_is_pending_still_waits(store: Store) -> None:
    """Else whoever waits for room waits until everything is in its place, which takes seconds."""
    first = await store.first_held()
    tasks = [store.submit(put(file_id(number))) for number in range(2 * AT_ONCE)]
    await started(tasks)
    store.disk.applying = Turns(1 + AT_ONCE)
    store.disk.applying.shut()
    store.disk.appending.open()
    await asyncio.gather(first, *tasks)
    async with asyncio.timeout(HELD):
        await store.submit(put(file_id(999)))


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
