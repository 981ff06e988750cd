"""Many change at once, on a disk that stands still, fails or is full: groups, outcomes, order, back-pressure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from artstore_core.errors import Conflict, StorageFull, StorageUnavailable
from artstore_core.files import Attributes
from element_commits import MIB, Store, started
from element_roots import ONE, change, file_id, put
from storage_element.store.applying import Bounds
from storage_element.store.changes import Change, ChangeKind, Settled


@pytest.fixture
def bounds() -> Bounds:
    return Bounds()


@pytest.fixture
async def store(bounds: Bounds) -> AsyncIterator[Store]:
    made = Store(bounds=bounds)
    yield made
    await made.stop()


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
