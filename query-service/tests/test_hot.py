"""Files in memory: looked up once, within bounds, and never older than what was heard of them."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from datetime import UTC, datetime
from uuid import UUID

import pytest
from artstore_core.errors import StorageUnavailable
from artstore_core.files import File
from artstore_core.ids import new_id
from artstore_core.retention import RetentionPolicy
from prometheus_client import CollectorRegistry
from query_service.files.hot import Bounds, HotFiles, weigh
from query_service.files.lookup import Home, Located
from query_service.metrics import QueryMetrics


def located(file_id: UUID, revision: int = 1, **more: object) -> Located:
    file = File.model_validate(
        {
            "file_id": file_id,
            "original_filename": "a.pdf",
            "content_type": "application/pdf",
            "size": 1,
            "checksum": "0" * 64,
            "uploaded_by": "sa:x",
            "uploaded_at": datetime(2026, 1, 1, tzinfo=UTC),
            "retention_policy": RetentionPolicy.PERMANENT,
            "revision": revision,
        }
        | more
    )
    return Located(file, Home("se-1", "http://127.0.0.1:1", None))


class Rows:
    """A registry whose answers wait until they are let out. Counts how often it was asked."""

    def __init__(self) -> None:
        self.asked, self.revision = 0, 1
        self.there = self.up = True
        self.gate = asyncio.Event()
        self.gate.set()

    async def get(self, file_id: UUID) -> Located | None:
        self.asked += 1
        revision = self.revision
        await self.gate.wait()
        if not self.up:
            raise StorageUnavailable("away")
        return located(file_id, revision) if self.there else None


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def time() -> Time:
    return Time()


def hot_files(rows: Rows, time: Time, *, seconds: float = 45, entries: int = 100, size: int = 10**7) -> HotFiles:
    return HotFiles(rows, Bounds(seconds, entries, size), QueryMetrics(CollectorRegistry()), time)


async def revision_in(hot: HotFiles, file_id: UUID) -> int:
    found = await hot.get(file_id)
    assert found is not None
    return found.file.revision


async def test_however_many_ask_it_is_looked_up_once(rows: Rows, time: Time) -> None:
    hot, file_id = hot_files(rows, time), new_id()
    rows.gate.clear()
    asking = [asyncio.create_task(hot.get(file_id)) for _ in range(100)]
    await asyncio.sleep(0)
    rows.gate.set()
    assert len(set(map(id, await asyncio.gather(*asking)))) == 1
    await hot.get(file_id)
    assert rows.asked == 1


async def test_who_asked_first_may_go_away(rows: Rows, time: Time) -> None:
    hot, file_id = hot_files(rows, time), new_id()
    rows.gate.clear()
    first, second = (asyncio.create_task(hot.get(file_id)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    rows.gate.set()
    assert await second is not None
    assert rows.asked == 1


async def test_an_entry_lives_its_seconds_and_serves_while_the_registry_is_away(rows: Rows, time: Time) -> None:
    hot, file_id = hot_files(rows, time), new_id()
    await hot.get(file_id)
    rows.up = False
    time.now = 44.9
    assert await hot.get(file_id) is not None
    time.now = 45.0
    with pytest.raises(StorageUnavailable):
        await hot.get(file_id)
    rows.up = True
    assert await hot.get(file_id) is not None


async def test_a_failure_is_heard_by_all_who_waited_and_not_kept(rows: Rows, time: Time) -> None:
    hot, file_id = hot_files(rows, time), new_id()
    rows.up = False
    rows.gate.clear()
    asking = [asyncio.create_task(hot.get(file_id)) for _ in range(3)]
    await asyncio.sleep(0)
    rows.gate.set()
    failed = await asyncio.gather(*asking, return_exceptions=True)
    assert {type(one) for one in failed} == {StorageUnavailable}
    rows.up = True
    assert await hot.get(file_id) is not None


async def test_what_is_not_there_is_asked_for_again(rows: Rows, time: Time) -> None:
    hot, file_id = hot_files(rows, time), new_id()
    rows.there = False
    assert await hot.get(file_id) is None
    rows.there = True
    assert await hot.get(file_id) is not None


async def test_a_change_during_a_lookup_is_not_kept_and_not_given_to_later_ones(rows: Rows, time: Time) -> None:
    """The lookup read before the change, and its answer comes after the event: it must not stay."""
    hot, file_id = hot_files(rows, time), new_id()
    rows.gate.clear()
    before = asyncio.create_task(revision_in(hot, file_id))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    rows.revision = 2
    hot.forget(file_id)
    after = asyncio.create_task(revision_in(hot, file_id))
    await asyncio.sleep(0)
    rows.gate.set()
    assert (await before, await after) == (1, 2)
    assert await revision_in(hot, file_id) == 2
    assert rows.asked == 2
    hot.forget_all()
    rows.revision = 3
    assert await revision_in(hot, file_id) == 3


async def test_entries_and_bytes_are_bounded_and_the_hot_ones_stay(rows: Rows, time: Time) -> None:
    hot = hot_files(rows, time, entries=10)
    ids = [new_id() for _ in range(11)]
    for file_id in ids[:10]:
        await hot.get(file_id)
    await hot.get(ids[0])
    await hot.get(ids[10])
    await asyncio.sleep(0)
    asked = rows.asked
    await hot.get(ids[0])
    assert rows.asked == asked
    await hot.get(ids[1])
    assert rows.asked == asked + 1
    few = hot_files(rows, time, size=3 * weigh(located(ids[0])))
    for file_id in ids:
        await few.get(file_id)
    await asyncio.sleep(0)
    asked = rows.asked
    for file_id in ids:
        await few.get(file_id)
    assert rows.asked > asked + len(ids) - 4


async def test_zero_seconds_keep_nothing_and_one_too_large_is_not_kept(rows: Rows, time: Time) -> None:
    for hot in (hot_files(rows, time, seconds=0), hot_files(rows, time, size=10)):
        rows.asked = 0
        file_id = new_id()
        for _ in range(3):
            assert await hot.get(file_id) is not None
        assert rows.asked == 3


def test_the_weight_is_no_less_than_what_memory_takes() -> None:
    gc.collect()
    tracemalloc.start()
    metadata = [{"project": "north", "pages": list(range(20)), "author": {"name": f"Иванов {n}"}} for n in range(300)]
    kept = [
        located(new_id(), metadata=one, tags=[f"t{n}", "сканы"], description="я" * 200)
        for n, one in enumerate(metadata)
    ]
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    weighed = sum(weigh(one) for one in kept)
    assert taken <= weighed <= 6 * taken
