"""Garbage collection: what is deleted or expired goes, nothing else does, and nobody is disturbed by it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from artstore_core.modes import Mode
from element_upkeep import Failing, record_of
from storage_element.disk.filesystem import RealFileSystem

MIB = 1024 * 1024
DAY = timedelta(days=1)


async def collect(api: Any) -> int:
    purged: int = await api.app.state.upkeep.gc.once()
    return purged


async def delete(api: Any, file_id: UUID) -> None:
    assert (await api.client.delete(f"/api/v1/files/{file_id}")).status_code == 204


async def temporary(api: Any, days: int = 1, data: bytes = b"hello") -> UUID:
    file_id = uuid4()
    answer = await api.put(file_id, data, retention_policy="temporary", ttl_days=days)
    assert answer.status_code == 201, answer.text
    return file_id


async def feed(api: Any, after: int = 0) -> list[tuple[str, str]]:
    page = (await api.client.get("/api/v1/changes", params={"after": after})).json()
    return [(item["file"]["file_id"], item["file"]["status"]) for item in page["items"]]


async def metric(api: Any, name: str) -> float:
    text = (await api.client.get("/metrics")).text
    (line,) = (line for line in text.splitlines() if line.startswith(f"artstore_element_{name} "))
    return float(line.split()[-1])


async def test_deleted_and_expired_files_go_and_the_others_stay(api: Any) -> None:
    kept, later, deleted = uuid4(), await temporary(api, 3), uuid4()
    expired = await temporary(api, 1)
    await api.put(kept, b"kept!")
    await api.put(deleted, b"hello")
    await delete(api, deleted)
    api.clock.advance(DAY)
    before = (await api.client.get("/api/v1/info")).json()["used_bytes"]
    assert await collect(api) == 2
    assert api.files() == sorted(f"{file_id}.{end}" for file_id in (kept, later) for end in ("attr.json", "data"))
    assert (await api.client.get("/api/v1/info")).json()["used_bytes"] == before - 10
    told = dict(await feed(api))
    assert (told[str(expired)], told[str(deleted)]) == ("deleted", "deleted")
    assert (await api.client.get("/api/v1/files")).json()["total"] == 2
    for gone in (expired, deleted):
        assert (await api.client.get(f"/api/v1/files/{gone}")).status_code == 404
    assert await metric(api, "gc_purged_total") == 2
    assert await collect(api) == 0


async def test_more_than_one_batch_goes_at_once(api: Any) -> None:
    ids = [uuid4() for _ in range(600)]
    await asyncio.gather(*(api.put(file_id, b"x", retention_policy="temporary", ttl_days=1) for file_id in ids))
    api.clock.advance(DAY)
    assert await collect(api) == 600
    assert api.files() == []


async def test_download_that_has_begun_finishes(make: Any) -> None:
    loop = asyncio.get_running_loop()
    reading, go_on = asyncio.Event(), asyncio.Event()

    class Slow(RealFileSystem):
        def pread(self, handle: int, length: int, offset: int) -> bytes:
            if offset == MIB:
                loop.call_soon_threadsafe(reading.set)
                asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(10)
            return super().pread(handle, length, offset)

    api = await make.start(filesystem=Slow())
    data = bytes(range(256)) * 4096 * 3
    file_id = await temporary(api, 1, data)
    await api.checkpoint()
    download = asyncio.create_task(api.download(file_id))
    try:
        await asyncio.wait_for(reading.wait(), 5)
        api.clock.advance(DAY)
        assert await collect(api) == 1
        assert api.files() == []
    finally:
        go_on.set()
    answer = await download
    assert (answer.status_code, answer.content) == (200, data)
    assert (await api.download(file_id)).status_code == 404


async def test_file_may_come_again_once_it_is_gone(api: Any) -> None:
    file_id = uuid4()
    await api.put(file_id, b"hello")
    await delete(api, file_id)
    assert (await api.put(file_id, b"other")).status_code == 409
    await collect(api)
    assert (await api.put(file_id, b"other")).status_code == 201
    assert (await api.download(file_id)).content == b"other"


async def test_record_is_looked_at_again_whatever_the_index_says(make: Any) -> None:
    """A file that was deleted when the index was read, and is another one when its turn comes."""
    api = await make.start()
    file_id = uuid4()
    await api.put(file_id, b"hello")
    await delete(api, file_id)
    await api.checkpoint()
    record = next(api.root.rglob("*.attr.json"))
    record.write_text(record.read_text().replace('"deleted"', '"active"').split(',\n "record_checksum"')[0] + "}")
    assert await collect(api) == 0
    assert len(api.files()) == 2


@pytest.mark.parametrize("jump", [2 * DAY, -2 * DAY, 3650 * DAY])
async def test_clock_that_jumped_collects_nothing(api: Any, jump: timedelta) -> None:
    file_id, deleted = await temporary(api, 1), uuid4()
    await api.put(deleted, b"x")
    await delete(api, deleted)
    api.clock.jump(jump)
    assert await collect(api) == 0
    assert len(api.files()) == 4
    assert (await metric(api, "gc_refused_total"), await metric(api, "clock_doubtful")) == (1, 1)
    api.clock.jump(-jump)
    assert (await api.download(file_id)).status_code == 200
    assert await collect(api) == 1
    assert await metric(api, "clock_doubtful") == 0


async def test_doubt_outlives_a_restart_and_ends_by_itself(make: Any) -> None:
    api = await make.start()
    await temporary(api, 1)
    await api.app.state.upkeep.guard.note()
    await make.stop()
    make.clock.advance(2 * DAY)  # it was off, or the clock is wrong: nobody can know
    api = await make.start()
    assert await collect(api) == 0
    api.clock.advance(DAY)
    assert await collect(api) == 1


async def test_abandoned_uploads_stay_as_long_as_the_clock_is_doubted(api: Any) -> None:
    await api.begin(uuid4(), 8)
    api.clock.jump(3 * DAY)
    await api.app.state.sweep.once()
    assert len(api.files()) == 2
    api.clock.advance(DAY)
    await api.app.state.sweep.once()
    assert api.files() == []


async def test_archive_stays_as_it_is(make: Any, root: Any) -> None:
    api = await make.start()
    await temporary(api, 1)
    await make.stop()
    for mode in (Mode.RO, Mode.AR):
        text = (root / "mode.json").read_text()
        (root / "mode.json").write_text(text.replace('"edit"', f'"{mode}"').replace('"ro"', f'"{mode}"'))
        api = await make.start()
        api.clock.advance(timedelta(hours=30))
        await api.app.state.upkeep.guard.note()
        assert await collect(api) == 0
        assert len(api.files()) == 2
        await make.stop()


async def test_feed_forgets_in_the_end(make: Any) -> None:
    api = await make.start(tombstone_seconds=DAY.total_seconds())
    kept = uuid4()
    await api.put(kept, b"x")
    gone = await temporary(api, 1)
    api.clock.advance(DAY)
    await collect(api)
    assert str(gone) in dict(await feed(api))
    api.clock.advance(DAY + timedelta(seconds=1))
    await collect(api)
    answer = await api.client.get("/api/v1/changes", params={"after": 1})
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "GONE")


async def test_uploads_and_collections_side_by_side(api: Any) -> None:
    """Files whose time is over go while others, under new ids and under the same, come."""
    ids = [uuid4() for _ in range(100)]
    for file_id in ids:
        await api.put(file_id, b"first")
        await delete(api, file_id)

    async def again(file_id: UUID) -> None:
        while (answer := await api.put(file_id, b"second")).status_code == 409:
            """It is not gone yet."""
        assert answer.status_code == 201

    await asyncio.gather(*(again(file_id) for file_id in ids), collect(api), collect(api))
    for file_id in ids:
        assert (await api.download(file_id)).content == b"second"
    assert len(api.files()) == 200


async def test_file_that_the_disk_does_not_give_out_keeps_no_other_from_going(make: Any) -> None:
    disk = Failing()
    api = await make.start(filesystem=disk)
    bad = await temporary(api, 1)
    ids = [uuid4() for _ in range(300)]
    await asyncio.gather(*(api.put(file_id, b"x", retention_policy="temporary", ttl_days=2) for file_id in ids))
    await api.checkpoint()
    disk.bad = record_of(api, bad)
    api.clock.advance(2 * DAY)
    assert await collect(api) == 300
    disk.bad = None
    assert await collect(api) == 1
