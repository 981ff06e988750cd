"""Whoever was answered sees what he was told of, whether it is in its place by then or only in the log; checkpoints."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from element_holding import HoldingFileSystem
from storage_element.disk.filesystem import RealFileSystem

LARGE = bytes(range(256)) * 1000


@pytest.fixture
def held() -> HoldingFileSystem:
    return HoldingFileSystem()


@pytest.fixture
async def api(make: Any, held: HoldingFileSystem) -> AsyncIterator[Any]:
    api = await make.start(filesystem=held)
    held.hold()
    yield api
    held.release()


@pytest.mark.parametrize("data", [b"", b"hello", LARGE])
async def test_file_is_read_from_the_log_until_it_is_in_its_place(
    api: Any, held: HoldingFileSystem, data: bytes
) -> None:
    file_id = uuid4()
    file = (await api.put(file_id, data)).json()
    assert await asyncio.to_thread(held.waiting.wait, 5)
    assert not list((api.root / "files").rglob("*.attr.json"))
    found = await api.client.get(f"/api/v1/files/{file_id}")
    assert (found.status_code, found.json()) == (200, file)
    assert (await api.download(file_id)).content == data
    if len(data) > 5:
        assert (await api.download(file_id, {"Range": "bytes=100-199"})).content == data[100:200]
    assert (await api.put(file_id, data)).status_code == 200
    assert (await api.put(file_id, data + b"x")).status_code == 409
    held.release()
    await api.checkpoint()
    assert (await api.download(file_id)).content == data
    assert api.files() == [f"{file_id}.attr.json", f"{file_id}.data"]


async def test_changes_build_on_what_is_only_logged(api: Any) -> None:
    file_id = uuid4()
    await api.put(file_id, b"hello")
    path = f"/api/v1/files/{file_id}"
    for revision in range(2, 6):
        answer = await api.client.patch(path, json={"tags": [str(revision)]}, headers={"If-Match": f'"{revision - 1}"'})
        assert (answer.status_code, answer.json()["revision"]) == (200, revision)
        assert (await api.client.get(path)).json() == answer.json()
    assert (await api.download(file_id)).content == b"hello"
    assert (await api.client.delete(path)).status_code == 204
    assert (await api.client.get(path)).status_code == 404
    assert (await api.download(file_id)).status_code == 404


async def test_list_and_feed_wait_for_what_was_acknowledged_and_for_nothing_else(
    api: Any, held: HoldingFileSystem
) -> None:
    before = (await api.client.get("/api/v1/files")).json()
    assert before["total"] == 0
    file_id = uuid4()
    file = (await api.put(file_id, b"hello")).json()
    asked = [asyncio.create_task(api.client.get(path)) for path in ("/api/v1/files", "/api/v1/changes")]
    assert await asyncio.to_thread(held.waiting.wait, 5)
    assert (await api.client.get("/api/v1/info")).json()["used_bytes"] == 5
    assert not any(task.done() for task in asked)
    held.release()
    listed, changed = [answer.json() for answer in await asyncio.gather(*asked)]
    assert listed["items"] == [file]
    assert [item["file"] for item in changed["items"]] == [file]


async def test_room_counts_what_is_only_logged(make: Any, held: HoldingFileSystem) -> None:
    api = await make.start(filesystem=held, capacity_bytes=10)
    held.hold()
    assert (await api.put(uuid4(), b"123456")).status_code == 201
    assert (await api.put(uuid4(), b"123456")).status_code == 507
    assert (await api.put(uuid4(), b"1234")).status_code == 201
    held.release()


async def test_room_is_never_counted_twice(make: Any) -> None:
    """Not even in the moment in which a file goes from the log into the index."""
    api = await make.start(capacity_bytes=100)
    for number in range(1, 101):
        assert (await api.put(UUID(int=number), b"x")).status_code == 201
    assert (await api.put(uuid4(), b"x")).status_code == 507


async def test_checkpoint_leaves_the_directory_alone_as_the_whole_element(make: Any) -> None:
    api = await make.start()
    small, large, gone = uuid4(), uuid4(), uuid4()
    await api.put(small, b"hello")
    await api.put(large, LARGE)
    await api.put(gone, b"x")
    await api.client.patch(f"/api/v1/files/{small}", json={"tags": ["kept"]})
    await api.client.delete(f"/api/v1/files/{gone}")
    assert await api.checkpoint() == 5
    assert [path.stat().st_size for path in (api.root / "wal").iterdir()] == [128]
    assert not list((api.root / "staging").iterdir())
    assert await api.checkpoint() == 5


@pytest.mark.parametrize("settings", [{"checkpoint_bytes": 1024 * 1024}, {"checkpoint_seconds": 0.05}])
async def test_checkpoint_comes_by_itself_with_size_and_with_time(make: Any, settings: dict[str, Any]) -> None:
    class Telling(RealFileSystem):
        dropped = threading.Event()

        def unlink(self, path: Path) -> None:
            super().unlink(path)
            if path.suffix == ".wal":
                self.dropped.set()

    filesystem = Telling()
    api = await make.start(filesystem=filesystem, **settings)
    for _ in range(20):
        assert (await api.put(uuid4(), bytes(60_000))).status_code == 201
    assert await asyncio.to_thread(filesystem.dropped.wait, 10)


async def test_checkpoint_needs_the_right_to_operate(api: Any, held: HoldingFileSystem) -> None:
    held.release()
    answer = await api.client.post("/api/v1/maintenance/checkpoint", headers={"Authorization": ""})
    assert answer.status_code == 401
