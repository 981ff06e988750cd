"""The change feed: each file once, by its last change; and 410 where a position says nothing any more."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from artstore_core.files import Attributes
from element_faults import FailingFileSystem
from storage_element.store import decisions
from storage_element.store.changes import Change, ChangeKind, Settled
from storage_element.store.records import damaged


async def feed(api: Any, **params: Any) -> dict[str, Any]:
    answer = await api.client.get("/api/v1/changes", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def gone(api: Any, **params: Any) -> None:
    answer = await api.client.get("/api/v1/changes", params=params)
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "GONE")


def told(page: dict[str, Any]) -> list[tuple[int, str, str]]:
    return [(item["sequence"], item["file"]["file_id"], item["file"]["status"]) for item in page["items"]]


async def mark_damaged(api: Any, file_id: UUID) -> None:
    def decide(there: Attributes | None) -> Change:
        assert there is not None
        return decisions.set_record(damaged(there, "checksum mismatch"), ChangeKind.DAMAGE)

    await api.app.state.element.submit(file_id, decide)


async def purge(api: Any, file_id: UUID) -> None:
    def decide(there: Attributes | None) -> Change | Settled:
        return decisions.purge(there, api.clock())

    await api.app.state.element.submit(file_id, decide)


def until_taken(applying: Any) -> None:
    with applying._changed:
        assert applying._changed.wait_for(lambda: not applying.stalled, 10)


async def test_nothing_changed_yet(api: Any) -> None:
    page = await feed(api)
    info = (await api.client.get("/api/v1/info")).json()
    assert (page["items"], page["sequence"], page["has_more"]) == ([], 0, False)
    assert (info["epoch"], info["sequence"]) == (page["epoch"], 0)
    assert await feed(api, after=0, epoch=page["epoch"]) == page


async def test_every_change_comes_in_order_and_each_file_once(api: Any) -> None:
    one, two, three = uuid4(), uuid4(), uuid4()
    for file_id in (one, two, three):
        await api.put(file_id, b"x")
    assert told(await feed(api)) == [(1, str(one), "active"), (2, str(two), "active"), (3, str(three), "active")]
    patched = await api.client.patch(f"/api/v1/files/{one}", json={"tags": ["new"]})
    await api.client.delete(f"/api/v1/files/{two}")
    page = await feed(api)
    assert told(page) == [(3, str(three), "active"), (4, str(one), "active"), (5, str(two), "deleted")]
    assert page["items"][1]["file"] == patched.json()
    assert page["sequence"] == 5
    assert told(await feed(api, after=4)) == [(5, str(two), "deleted")]
    assert told(await feed(api, after=5)) == []


async def test_same_upload_again_is_no_change(api: Any) -> None:
    file_id = uuid4()
    for _ in range(3):
        await api.put(file_id, b"x")
    assert (await feed(api))["sequence"] == 1


async def test_pages_follow_each_other(api: Any) -> None:
    ids = [uuid4() for _ in range(7)]
    for file_id in ids:
        await api.put(file_id, b"x")
    seen: list[str] = []
    after, more = 0, True
    while more:
        page = await feed(api, after=after, limit=3)
        assert len(page["items"]) <= 3
        seen += [item["file"]["file_id"] for item in page["items"]]
        after, more = page["items"][-1]["sequence"], page["has_more"]
    assert seen == [str(file_id) for file_id in ids]


async def test_damaged_and_healed_files_are_told(api: Any) -> None:
    file_id = uuid4()
    await api.put(file_id, b"hello")
    await mark_damaged(api, file_id)
    assert told(await feed(api)) == [(2, str(file_id), "damaged")]
    assert (await api.download(file_id)).json()["error"]["code"] == "FILE_DAMAGED"
    assert (await api.client.get(f"/api/v1/files/{file_id}")).json()["status"] == "damaged"
    assert [name for name in api.files() if name.startswith(f"{file_id}.data.")]  # in quarantine
    healed = await api.put(file_id, b"hello")
    assert (healed.status_code, healed.json()["status"], healed.json()["revision"]) == (201, "active", 3)
    assert told(await feed(api)) == [(3, str(file_id), "active")]
    assert (await api.download(file_id)).content == b"hello"


async def test_large_file_is_healed_too(make: Any, api: Any) -> None:
    file_id, data = uuid4(), bytes(range(256)) * 1000
    await api.put(file_id, data)
    await mark_damaged(api, file_id)
    assert (await api.put(file_id, data[:-1])).status_code == 409
    assert (await api.put(file_id, data)).status_code == 201
    assert (await api.download(file_id)).content == data
    await make.stop()
    api = await make.start()
    assert (await api.download(file_id)).content == data
    assert told(await feed(api)) == [(3, str(file_id), "active")]


@pytest.mark.parametrize("restart", [False, True])
async def test_purged_file_is_told_as_deleted_and_is_nowhere_else(make: Any, api: Any, restart: bool) -> None:
    file_id, kept = uuid4(), uuid4()
    await api.put(file_id, b"hello")
    await api.put(kept, b"x")
    await api.client.delete(f"/api/v1/files/{file_id}")
    await purge(api, file_id)
    if restart:
        await make.stop()
        api = await make.start()
    assert told(await feed(api)) == [(2, str(kept), "active"), (4, str(file_id), "deleted")]
    assert (await api.client.get("/api/v1/files")).json()["total"] == 1
    assert (await api.client.get("/api/v1/info")).json()["used_bytes"] == 1
    assert api.files() == [f"{kept}.attr.json", f"{kept}.data"]
    assert (await api.put(file_id, b"other")).status_code == 201  # its id is free again
    assert told(await feed(api, after=4)) == [(5, str(file_id), "active")]


async def test_expired_file_is_told_as_expired(api: Any) -> None:
    file_id = uuid4()
    await api.put(file_id, b"hello", retention_policy="temporary", ttl_days=1)
    api.clock.advance(timedelta(days=1))
    assert told(await feed(api)) == [(1, str(file_id), "expired")]


async def test_position_of_another_epoch_or_of_the_future_is_gone(api: Any) -> None:
    await api.put(uuid4(), b"x")
    epoch = (await feed(api))["epoch"]
    await gone(api, after=2, epoch=epoch)
    await gone(api, after=2)
    await gone(api, after=0, epoch=str(uuid4()))
    assert (await feed(api, after=1, epoch=epoch))["items"] == []


async def test_position_before_what_was_forgotten_is_gone(api: Any) -> None:
    file_id, kept = uuid4(), uuid4()
    await api.put(file_id, b"x")
    await api.put(kept, b"x")
    await api.client.delete(f"/api/v1/files/{file_id}")
    await purge(api, file_id)
    await feed(api)  # applied
    later = api.clock() + timedelta(seconds=1)
    assert await api.app.state.element.read_index(lambda index: index.trim(later)) == 1
    for after in (0, 3):
        await gone(api, after=after)
    assert (await feed(api, after=4))["items"] == []


async def test_epoch_outlives_a_restart_and_not_the_index(make: Any, api: Any) -> None:
    await api.put(uuid4(), b"x")
    first = await feed(api)
    await make.stop()
    api = await make.start()
    assert await feed(api) == first
    await make.stop()
    for path in api.root.glob("index.sqlite*"):
        path.unlink()
    api = await make.start()
    second = await feed(api)
    assert second["epoch"] != first["epoch"]
    assert [item["file"] for item in second["items"]] == [item["file"] for item in first["items"]]
    await gone(api, after=1, epoch=first["epoch"])


async def test_feed_does_not_go_past_what_a_full_disk_does_not_take(make: Any) -> None:
    """Who had seen the later change would never be told of the earlier one."""

    class Full(FailingFileSystem):
        """For the record of one file."""

        def open(self, path: Any, flags: int) -> int:
            if self.full is not None and path.name == f"{self.full}.data":
                raise OSError(28, "injected")
            return super().open(path, flags)

        full: UUID | None = None

    filesystem = Full()
    api = await make.start(filesystem=filesystem)
    before, stalled = uuid4(), uuid4()
    await api.put(before, b"x")
    await api.client.delete(f"/api/v1/files/{before}")
    filesystem.full = stalled
    assert (await api.put(stalled, b"hello")).status_code == 201
    commits = api.app.state.element.commits
    await commits.caught_up()  # as far as it goes
    assert commits.applying.stalled
    assert (await api.put(uuid4(), b"x")).status_code == 507
    await purge(api, before)  # which makes room, and goes past
    page = await feed(api, after=2)
    assert (page["items"], page["sequence"], page["has_more"]) == ([], 2, False)
    assert (await api.client.get("/api/v1/info")).json()["sequence"] == 2
    assert (await api.download(stalled)).content == b"hello"
    filesystem.full = None
    await asyncio.to_thread(until_taken, commits.applying)
    assert told(await feed(api, after=2)) == [(3, str(stalled), "active"), (4, str(before), "deleted")]


@pytest.mark.parametrize("params", [{"after": -1}, {"after": "x"}, {"epoch": "x"}, {"limit": 0}, {"limit": 1001}])
async def test_bad_parameters_are_refused(api: Any, params: dict[str, Any]) -> None:
    answer = await api.client.get("/api/v1/changes", params=params)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
