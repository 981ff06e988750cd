"""No room at one certain step of a change: refused or kept, nothing between, and all goes on when there is room."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from element_faults import FailingFileSystem

T = TypeVar("T")
SMALL, LARGE = b"hello" * 100, bytes(range(256)) * 1000
HELD = 10.0
_TO_WRITE = os.O_WRONLY | os.O_RDWR


class FullFileSystem(FailingFileSystem):
    """Has no room for `calls` on names that end with one of `ends`, until `mend`. Writes are short, so that what fails
    has been written in part."""

    def __init__(self) -> None:
        super().__init__(most_per_write=200)
        self._calls, self._ends = frozenset[str](), tuple[str, ...]()
        self._pass = 0

    def fill(self, calls: str, *ends: str, after: int = 0) -> None:
        """`after` is how many of them still pass."""
        self._calls, self._ends, self._pass = frozenset(calls.split()), ends, after

    def mend(self) -> None:
        self._calls = frozenset()

    def _call(self, name: str, act: Callable[..., T], *given: Any) -> T:
        reads = name == "open" and not given[1] & _TO_WRITE
        if name in self._calls and not reads and self._names(given)[-1].endswith(self._ends):
            if self._pass == 0:
                self.failures += 1
                raise OSError(errno.ENOSPC, "injected")
            self._pass -= 1
        return super()._call(name, act, *given)


@pytest.fixture
def disk() -> FullFileSystem:
    return FullFileSystem()


@pytest.fixture
async def api(make: Any, disk: FullFileSystem) -> Any:
    return await make.start(filesystem=disk, checkpoint_bytes=1024 * 1024)


async def changed(api: Any, file_id: UUID, tag: str) -> int:
    answer = await api.client.patch(f"/api/v1/files/{file_id}", json={"tags": [tag]})
    return int(answer.status_code)


async def of(api: Any, file_id: UUID) -> tuple[int, list[str]]:
    answer = await api.client.get(f"/api/v1/files/{file_id}")
    return answer.status_code, answer.json().get("tags", [])


async def stalls(api: Any) -> None:
    """Until the disk has been found too full for what is promised."""
    commits = api.app.state.element.commits
    await commits.caught_up()
    assert commits.applying.stalled


async def in_place(api: Any) -> None:
    """Until what was promised has found room."""
    applying = api.app.state.element.commits.applying

    def wait() -> bool:
        with applying._changed:
            return bool(applying._changed.wait_for(lambda: not applying.stalled, HELD))

    assert await asyncio.to_thread(wait)


async def reopened(make: Any) -> Any:
    await make.stop()
    return await make.start()


@pytest.mark.parametrize("after", [0, 2])
async def test_log_write_without_room_refuses_and_keeps_nothing(
    make: Any, api: Any, disk: FullFileSystem, after: int
) -> None:
    there, half = uuid4(), uuid4()
    await api.put(there, SMALL)
    await api.begin(half)
    assert (await api.append(half, 0, LARGE)).status_code == 204
    before = await of(api, there)
    new = [uuid4(), uuid4()]
    acts: list[Callable[[], Awaitable[Any]]] = [
        lambda: api.put(new[0], SMALL),
        lambda: api.put(new[1], LARGE),
        lambda: api.complete(half),
        lambda: api.client.patch(f"/api/v1/files/{there}", json={"tags": ["x"]}),
        lambda: api.client.delete(f"/api/v1/files/{there}"),
    ]
    for act in acts:
        disk.fill("write", ".wal", after=after)
        answer = await act()
        assert (answer.status_code, answer.json()["error"]["code"]) == (507, "STORAGE_FULL")
    assert await of(api, there) == before
    assert [(await of(api, file_id))[0] for file_id in new] == [404, 404]
    assert (await api.client.get("/health/ready")).status_code == 200
    assert (await api.client.get("/api/v1/files")).json()["total"] == 1
    disk.mend()
    assert (await api.complete(half)).status_code == 201
    assert (await api.put(new[0], SMALL)).status_code == 201
    assert await changed(api, there, "y") == 200
    await api.checkpoint()
    expected = sorted(f"{file_id}.{end}" for file_id in (there, half, new[0]) for end in ("attr.json", "data"))
    assert api.files() == expected
    api = await reopened(make)
    assert api.files() == expected
    assert (await api.download(half)).content == LARGE


@pytest.mark.parametrize(
    ("calls", "end", "data"),
    [
        ("write", ".data", SMALL),
        ("link", ".data", LARGE),
        ("write", ".attr.json", LARGE),
        ("mkdir", "", LARGE),
    ],
)
async def test_what_is_promised_and_has_no_room_is_read_from_memory_until_it_has(
    api: Any, disk: FullFileSystem, calls: str, end: str, data: bytes
) -> None:
    there, doomed, promised = uuid4(), uuid4(), uuid4()
    for file_id in (there, doomed):
        await api.put(file_id, SMALL)
    await api.checkpoint()
    disk.fill(calls, end, after=1 if calls == "write" else 0)
    assert (await api.put(promised, data)).status_code == 201
    await stalls(api)
    assert (await api.client.post("/api/v1/maintenance/checkpoint")).status_code == 507
    assert (await api.put(uuid4(), SMALL)).status_code == 507
    assert await changed(api, there, "x") == 507
    assert (await api.client.delete(f"/api/v1/files/{doomed}")).status_code == 204  # which makes room, and needs none
    assert (await api.download(doomed)).status_code == 404
    assert (await api.client.get("/health/ready")).status_code == 200
    for file_id, content in ((there, SMALL), (promised, data)):
        assert (await api.download(file_id)).content == content
    names = [path.name for path in (api.root / "files").rglob("*") if path.is_file()]
    assert f"{promised}.attr.json" not in names  # half a record is none
    disk.mend()
    await in_place(api)
    assert (await api.client.get("/api/v1/files")).json()["total"] == 2
    assert await changed(api, promised, "y") == 200
    await api.checkpoint()
    assert (await api.download(promised)).content == data
    assert len(api.files()) == 4


@pytest.mark.parametrize("calls", ["write", "rename"])
async def test_changed_record_without_room_leaves_the_old_one_on_the_disk(
    make: Any, api: Any, disk: FullFileSystem, calls: str
) -> None:
    there = uuid4()
    await api.put(there, SMALL)
    await api.checkpoint()
    record = next((api.root / "files").rglob("*.attr.json"))
    old = record.read_bytes()
    disk.fill(calls, ".attr.json" if calls == "rename" else ".tmp", after=1 if calls == "write" else 0)
    assert await changed(api, there, "new") == 200
    await stalls(api)
    assert await of(api, there) == (200, ["new"])
    assert record.read_bytes() == old
    assert not list((api.root / "staging").iterdir())
    disk.mend()
    if calls == "write":
        api = await reopened(make)  # a start puts it into its place as well
    else:
        await in_place(api)
    assert await of(api, there) == (200, ["new"])
    await api.checkpoint()
    assert b'"new"' in record.read_bytes()


async def test_body_without_room_leaves_nothing(api: Any, disk: FullFileSystem) -> None:
    half = uuid4()
    await api.begin(half)
    await api.append(half, 0, SMALL)
    await api.checkpoint()  # what was noted of it is in its place, and not what finds no room
    for calls, end in (("write", ".tmp"), ("open", ".tmp")):
        disk.fill(calls, end, after=3 if calls == "write" else 0)
        assert (await api.put(uuid4(), LARGE)).status_code == 507
        disk.mend()
    disk.fill("write", ".part", after=3)
    assert (await api.append(half, len(SMALL), LARGE)).status_code == 507
    assert (await api.client.head(f"/api/v1/uploads/{half}")).headers["upload-offset"] == str(len(SMALL))
    disk.fill("open", ".part")
    assert (await api.begin(uuid4())).status_code == 507
    disk.mend()
    assert (await api.append(half, len(SMALL), LARGE)).status_code == 204
    assert (await api.complete(half)).status_code == 201
    assert (await api.download(half)).content == SMALL + LARGE
    assert api.files() == [f"{half}.attr.json", f"{half}.data"]


async def test_append_whose_end_cannot_be_noted_can_go_on_wherever_it_stands(api: Any, disk: FullFileSystem) -> None:
    """The bytes came and were flushed, the log had no room to say so: what HEAD measures counts."""
    half = uuid4()
    await api.begin(half)
    await api.append(half, 0, SMALL)
    disk.fill("write", ".wal")
    assert (await api.append(half, len(SMALL), LARGE)).status_code == 507
    offset = int((await api.client.head(f"/api/v1/uploads/{half}")).headers["upload-offset"])
    assert offset in (len(SMALL), len(SMALL + LARGE))
    disk.mend()
    assert (await api.append(half, offset, (SMALL + LARGE)[offset:])).status_code == 204
    assert (await api.complete(half)).status_code == 201
    assert (await api.download(half)).content == SMALL + LARGE


@pytest.mark.parametrize("calls", ["open", "write"])
async def test_checkpoint_without_room_for_the_next_segment_is_refused_and_changes_go_on(
    make: Any, api: Any, disk: FullFileSystem, calls: str
) -> None:
    first, second = uuid4(), uuid4()
    await api.put(first, LARGE)
    (segment,) = [path.name for path in (api.root / "wal").iterdir()]
    # The segment in use is open already, and written on under its own name.
    disk.fill(calls, f"{2:016x}.wal")
    for _ in range(2):
        assert (await api.client.post("/api/v1/maintenance/checkpoint")).status_code == 507
    assert [path.name for path in (api.root / "wal").iterdir()] == [segment]
    assert (await api.put(second, SMALL)).status_code == 201
    assert (await api.client.get("/health/ready")).status_code == 200
    disk.mend()
    await api.checkpoint()
    assert segment not in [path.name for path in (api.root / "wal").iterdir()]
    api = await reopened(make)
    assert (await api.download(first)).content == LARGE
    assert (await api.download(second)).content == SMALL


async def test_flush_of_everything_without_room_is_a_failed_flush(make: Any, api: Any, disk: FullFileSystem) -> None:
    """What was written is lost then, and only a start, which reads the log again, can tell what is on the disk."""
    file_id = uuid4()
    await api.put(file_id, LARGE)
    disk.fill("sync_all", "")
    assert (await api.client.post("/api/v1/maintenance/checkpoint")).status_code == 503
    assert (await api.put(uuid4(), SMALL)).status_code == 503
    assert (await api.client.get("/health/ready")).status_code == 503
    assert (await api.download(file_id)).content == LARGE
    disk.mend()
    api = await reopened(make)
    assert (await api.download(file_id)).content == LARGE
    assert (await api.put(uuid4(), SMALL)).status_code == 201


async def test_changes_do_not_wait_for_a_checkpoint_that_has_no_room(api: Any, disk: FullFileSystem) -> None:
    """The log is as long as it may become, everything in it is in its place, and the next segment has no room."""
    disk.fill("open", ".wal")
    task = asyncio.create_task(fill_log(api))
    done, _ = await asyncio.wait({task}, timeout=HELD / 2)
    disk.mend()
    await api.checkpoint()  # which lets go on whoever still waits
    await task
    assert done
    assert (await api.put(uuid4(), SMALL)).status_code == 201


async def fill_log(api: Any) -> None:
    for _ in range(80):
        assert (await api.put(uuid4(), bytes(60_000))).status_code in (201, 507)
