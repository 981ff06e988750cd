"""A disk that is not there is 503 and never 404, on the running element too, and comes back by itself (S13)."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from element_faults import FailingFileSystem
from element_holding import HoldingFileSystem
from structlog.testing import capture_logs

MARKER = "artstore-element.json"


def unmount(root: Path) -> None:
    root.rename(root.parent / "away")
    root.mkdir()


def remount(root: Path, disk: Path) -> None:
    root.rmdir()  # which fails if anything was written to what lies under the mount point
    disk.rename(root)


def copy(root: Path, target: Path) -> None:
    """A backup, as S5 has it: without the index, which would be of no one moment."""
    shutil.copytree(root, target, ignore=shutil.ignore_patterns("index.sqlite*"))


def lose_marker(root: Path) -> None:
    (root / MARKER).rename(root.parent / "away")


def find_marker(root: Path) -> None:
    assert not (root / MARKER).exists()
    (root.parent / "away").rename(root / MARKER)


async def until_open(api: Any) -> None:
    await asyncio.wait_for(api.app.state.element.opened.wait(), 5)


async def answers(api: Any, file_id: Any) -> list[tuple[int, str]]:
    found = [
        await api.put(uuid4(), b"x"),
        await api.client.get(f"/api/v1/files/{file_id}"),
        await api.client.get(f"/api/v1/files/{uuid4()}"),
        await api.download(file_id),
        await api.client.get("/api/v1/files"),
        await api.client.get("/api/v1/info"),
        await api.begin(uuid4(), 5),
        await api.append(uuid4(), 0, b"x"),
        await api.complete(uuid4()),
        await api.client.delete(f"/api/v1/uploads/{uuid4()}"),
    ]
    assert all("retry-after" in answer.headers for answer in found)
    return [(answer.status_code, answer.json()["error"]["code"]) for answer in found]


async def test_marker_that_goes_and_comes_back(api: Any, root: Path) -> None:
    file_id = uuid4()
    await api.put(file_id, b"hello")
    lose_marker(root)
    assert set(await answers(api, file_id)) == {(503, "STORAGE_UNAVAILABLE")}
    ready = await api.client.get("/health/ready")
    assert (ready.status_code, ready.json()["dependencies"]["data_root"]["status"]) == (503, "fail")
    assert (await api.client.get("/health/live")).status_code == 200
    find_marker(root)
    await until_open(api)
    assert (await api.download(file_id)).content == b"hello"


async def test_whole_disk_that_goes_and_comes_back_changed(api: Any, root: Path) -> None:
    """Unmounted: an empty directory stands in its place. What came back may hold less, or more."""
    kept, lost = uuid4(), uuid4()
    await api.put(kept, b"hello")
    await api.checkpoint()
    copy(root, root.parent / "backup")
    await api.put(lost, b"hello")
    before = (await api.client.get("/api/v1/info")).json()
    unmount(root)
    assert set(await answers(api, kept)) == {(503, "STORAGE_UNAVAILABLE")}
    remount(root, root.parent / "backup")
    await until_open(api)
    assert (await api.client.get("/api/v1/info")).json()["epoch"] != before["epoch"]
    assert (await api.download(kept)).status_code == 200
    assert (await api.download(lost)).status_code == 404
    assert (await api.client.get("/api/v1/files")).json()["total"] == 1
    assert (await api.put(lost, b"again")).status_code == 201


async def test_whole_disk_that_goes_and_comes_back_has_what_was_acknowledged(make: Any, root: Path) -> None:
    """Put into its place or not: what was only logged when the disk went is in the log when it comes back."""
    held = HoldingFileSystem()
    api = await make.start(filesystem=held)
    file_id, large = uuid4(), bytes(range(256)) * 1000
    held.hold()
    assert (await api.put(file_id, b"hello")).status_code == 201
    assert (await api.put(UUID(int=file_id.int + 1), large)).status_code == 201
    unmount(root)
    assert set(await answers(api, file_id)) == {(503, "STORAGE_UNAVAILABLE")}
    held.release()
    remount(root, root.parent / "away")
    await until_open(api)
    assert (await api.download(file_id)).content == b"hello"
    assert (await api.download(UUID(int=file_id.int + 1))).content == large
    assert (await api.client.get("/api/v1/files")).json()["total"] == 2


async def test_another_elements_disk_is_not_ours(api: Any, root: Path) -> None:
    (root / MARKER).write_text('{"storage_id": "se-other"}')
    assert set(await answers(api, uuid4())) == {(503, "STORAGE_UNAVAILABLE")}


async def test_start_without_a_marker_writes_none(make: Any, root: Path) -> None:
    lose_marker(root)
    api = await make.start(opened=False)
    assert set(await answers(api, uuid4())) == {(503, "STORAGE_UNAVAILABLE")}
    find_marker(root)
    await until_open(api)
    assert (await api.put(uuid4(), b"x")).status_code == 201


@pytest.mark.parametrize(
    ("kind", "size"),
    [("write", 1), ("fdatasync", 1), ("fdatasync", 100_000), ("fsync", 100_000), ("fsync_dir", 100_000)],
)
async def test_failed_flush_stops_changes_and_not_reads(make: Any, kind: str, size: int) -> None:
    filesystem = FailingFileSystem()
    api = await make.start(filesystem=filesystem)
    file_id, lost, data = uuid4(), uuid4(), b"x" * size
    await api.put(file_id, b"hello")
    await api.checkpoint()
    filesystem.fail(on=[kind])
    with capture_logs() as said:
        assert (await api.put(lost, data)).status_code == 503
    assert ["injected" in str(event) for event in said if event["log_level"] == "warning"] == [True]
    filesystem.mend()
    again = await api.put(lost, data)
    assert (again.status_code, again.json()["error"]["code"]) == (503, "STORAGE_UNAVAILABLE")
    assert (await api.begin(uuid4(), 5)).status_code == 503
    assert (await api.download(file_id)).content == b"hello"
    assert (await api.client.get(f"/api/v1/files/{lost}")).status_code == 404
    assert (await api.client.get("/health/ready")).status_code == 503
    assert (await api.client.post("/api/v1/maintenance/checkpoint")).status_code == 503
    assert (await api.client.patch(f"/api/v1/files/{file_id}", json={"tags": []})).status_code == 503
    assert (await api.client.delete(f"/api/v1/files/{file_id}")).status_code == 503
    await make.stop()
    api = await make.start()
    # Nobody was told that it is there, or that it is not: it is whole or not there at all.
    there = await api.client.get(f"/api/v1/files/{lost}")
    assert (there.status_code, there.json().get("status")) in ((404, None), (200, "active"))
    assert (await api.put(lost, data)).status_code == (200 if there.status_code == 200 else 201)
    assert (await api.download(lost)).content == data
    assert len(api.files()) == 4


async def test_failed_checkpoint_stops_changes_and_loses_nothing(make: Any) -> None:
    filesystem = FailingFileSystem()
    api = await make.start(filesystem=filesystem)
    file_id, large = uuid4(), bytes(100_000)
    await api.put(file_id, b"hello")
    await api.put(UUID(int=1), large)
    filesystem.fail(on=["sync_all"])
    assert (await api.client.post("/api/v1/maintenance/checkpoint")).status_code == 503
    assert (await api.put(uuid4(), b"x")).status_code == 503
    assert (await api.download(file_id)).content == b"hello"
    await make.stop()
    assert (api.root / "wal").exists()
    api = await make.start()
    assert (await api.download(file_id)).content == b"hello"
    assert (await api.download(UUID(int=1))).content == large


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/", "/api/v2/files"])
async def test_unknown_paths_have_the_error_form(api: Any, path: str) -> None:
    answer = await api.client.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


async def test_wrong_method_names_the_right_ones(api: Any) -> None:
    answer = await api.client.post(f"/api/v1/files/{uuid4()}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert {"GET", "PUT"} <= set(answer.headers["allow"].replace(" ", "").split(","))


async def test_contract_names_every_route(api: Any) -> None:
    paths = api.app.openapi()["paths"]
    assert {
        "/api/v1/info",
        "/api/v1/files",
        "/api/v1/files/{file_id}",
        "/api/v1/files/{file_id}/download",
        "/api/v1/uploads/{upload_id}",
        "/api/v1/uploads/{upload_id}/complete",
    } <= set(paths)
    ids = [operation["operationId"] for operations in paths.values() for operation in operations.values()]
    assert len(ids) == len(set(ids))
