"""The disk is opened anew beside requests, and ids are used twice: nothing is acknowledged that is not so."""

from __future__ import annotations

import asyncio
import errno
import threading
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from artstore_core.errors import StorageUnavailable
from element_holding import HoldingFileSystem
from storage_element.disk.filesystem import RealFileSystem

MIB = 1024 * 1024


async def until(true: Any, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  # another thread sets it
            await asyncio.sleep(0.01)


class Gate(RealFileSystem):
    """Holds up writes to a part once it is shut."""

    def __init__(self) -> None:
        self.open_again, self.reached = threading.Event(), threading.Event()
        self.open_again.set()

    def write(self, handle: int, data: bytes | memoryview) -> int:
        if not self.open_again.is_set() and len(data) >= MIB:
            self.reached.set()
            self.open_again.wait(20)
        return super().write(handle, data)


async def taken_away_and_brought_back(api: Any) -> None:
    marker = api.root / "artstore-element.json"
    marker.rename(api.root / "marker")
    await until(lambda: not api.app.state.element.opened.is_set())
    (api.root / "marker").rename(marker)
    await api.app.state.element.opened.wait()


async def test_append_beside_which_the_disk_is_opened_anew_is_refused_and_nothing_is_cut_under_it(make: Any) -> None:
    """The bytes before it were told of to the client; those of it lie behind them, in one piece, or are not there."""
    filesystem = Gate()
    api = await make.start(filesystem=filesystem)
    upload_id, first, second = uuid4(), bytes([1]) * MIB, bytes([2]) * (3 * MIB)
    await api.begin(upload_id, 8 * MIB)
    assert (await api.append(upload_id, 0, first)).status_code == 204
    filesystem.open_again.clear()
    appending = asyncio.create_task(api.append(upload_id, MIB, second))
    await until(filesystem.reached.is_set)
    await taken_away_and_brought_back(api)
    filesystem.open_again.set()
    assert (await appending).status_code == 503
    held = (await api.client.get(f"/api/v1/uploads/{upload_id}")).content
    assert held == (first + second)[: len(held)]
    assert len(held) >= MIB
    assert (await api.append(upload_id, len(held), (first + second)[len(held) :])).status_code == 204
    assert (await api.complete(upload_id, size=4 * MIB)).status_code == 201
    assert (await api.download(upload_id)).content == first + second


async def test_unfinished_upload_with_the_id_of_a_file_hides_nothing_of_it(make: Any) -> None:
    filesystem = HoldingFileSystem()
    api = await make.start(filesystem=filesystem)
    one = uuid4()
    await api.begin(one)
    assert (await api.put(one, b"a" * 100)).status_code == 201
    await api.checkpoint()
    filesystem.hold()
    try:
        assert (await api.put(uuid4(), b"x")).status_code == 201  # it stays out of its place, and all that come after
        assert (await api.append(one, 0, b"zz")).status_code == 204
        assert (await api.client.get(f"/api/v1/files/{one}")).status_code == 200
        assert (await api.put(one, b"b" * 100)).status_code == 409
        assert (await api.download(one)).content == b"a" * 100
    finally:
        filesystem.release()


async def test_bytes_of_an_upload_that_could_not_be_completed_are_removed_beside_a_file_of_its_id(api: Any) -> None:
    one = uuid4()
    await api.begin(one)
    await api.append(one, 0, bytes(MIB))
    assert (await api.put(one, b"other")).status_code == 201
    assert (await api.complete(one)).status_code == 409
    assert (await api.client.delete(f"/api/v1/uploads/{one}")).status_code == 204
    assert not list((api.root / "staging").glob(f"{one}*"))
    assert (await api.download(one)).content == b"other"


async def test_nil_id_is_refused(api: Any) -> None:
    assert (await api.put("00000000-0000-0000-0000-000000000000", b"x")).status_code == 400


class FailingOnce(RealFileSystem):
    """One error in putting a change into its place, and then the disk is well again."""

    def __init__(self) -> None:
        self.fail = False

    def open(self, path: Path, flags: int) -> int:
        if self.fail and flags & 3 and "files" in path.parts:
            self.fail = False
            raise OSError(errno.EIO, "injected")
        return super().open(path, flags)


@pytest.mark.parametrize("body", [b"small", bytes(200_000)])
async def test_one_failure_in_applying_heals_by_itself_and_loses_nothing(make: Any, body: bytes) -> None:
    filesystem = FailingOnce()
    api = await make.start(filesystem=filesystem, reopen_seconds=0)
    filesystem.fail = True
    first, second = uuid4(), uuid4()
    assert (await api.put(first, body)).status_code == 201
    assert (await api.put(uuid4(), b"record")).status_code in (201, 503)

    async def well() -> str:
        while (await api.put(second, b"x")).status_code not in (200, 201):  # noqa: ASYNC110  # what a client does
            await asyncio.sleep(0.02)
        # It may be accepted just before the failure shows; then lists are what waits.
        while (page := await api.client.get("/api/v1/files")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        return str(page.text)

    assert str(first) in await asyncio.wait_for(well(), 10)
    assert (await api.download(first)).content == body


async def test_list_that_would_lack_what_was_acknowledged_is_no_list(make: Any) -> None:
    class Full(RealFileSystem):
        full = False

        def open(self, path: Path, flags: int) -> int:
            if self.full and flags & 3 and "files" in path.parts:
                raise OSError(errno.ENOSPC, "injected")
            return super().open(path, flags)

    filesystem = Full()
    api = await make.start(filesystem=filesystem)
    filesystem.full = True
    one = uuid4()
    assert (await api.put(one, b"x")).status_code == 201
    await until(lambda: api.app.state.element.commits.applying.stalled)
    listed = await api.client.get("/api/v1/files")
    assert (listed.status_code, listed.json()["error"]["code"]) == (503, StorageUnavailable.code)
    assert (await api.download(one)).content == b"x"
    filesystem.full = False
    await until(lambda: not api.app.state.element.commits.applying.stalled)
    assert (await api.client.get("/api/v1/files")).json()["total"] == 1
