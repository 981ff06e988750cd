"""An element's files as somebody finds them who broke some: used by the tests of reconcile and scrub."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from typing import Any
from uuid import UUID

from artstore_core.ids import new_id
from storage_element.disk.filesystem import RealFileSystem
from storage_element.store.jobs import Job, JobState

FAST = 1e15


async def ended(job: Job) -> JobState:
    """How it stands once it does not run."""
    await job.state()
    await job._ended.wait()
    return await job.state()


async def suspects_judged(api: Any) -> None:
    """Until all that downloads were refused for have been looked at."""
    await asyncio.sleep(0)
    await api.app.state.upkeep.suspects._waiting.join()


async def run(api: Any, job: str, **body: Any) -> dict[str, Any]:
    """From its beginning to its end."""
    answer = await api.client.post(f"/api/v1/maintenance/{job}", json=body or None)
    assert answer.status_code == 202, answer.text
    await asyncio.wait_for(ended(getattr(api.app.state.upkeep, job)), 60)
    found: dict[str, Any] = (await api.client.get(f"/api/v1/maintenance/{job}")).json()
    assert found["state"] == "idle"
    return found


async def state(api: Any, job: str) -> dict[str, Any]:
    answer = await api.client.get(f"/api/v1/maintenance/{job}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def stored(api: Any, count: int = 1, size: int = 1000) -> list[UUID]:
    """Files that lie in their places."""
    ids = [new_id() for _ in range(count)]
    for number, file_id in enumerate(ids):
        assert (await api.put(file_id, content(number, size))).status_code == 201
    await api.checkpoint()
    return ids


def content(number: int, size: int = 1000) -> bytes:
    return (number.to_bytes(4, "big") * (size // 4 + 1))[:size]


def data_of(api: Any, file_id: UUID) -> Path:
    path: Path = api.root / "files" / file_id.hex[-3:] / f"{file_id}.data"
    return path


def record_of(api: Any, file_id: UUID) -> Path:
    return data_of(api, file_id).with_suffix(".attr.json")


def quarantined(api: Any) -> list[Path]:
    return sorted((api.root / "quarantine").iterdir())


async def status(api: Any, file_id: UUID) -> str:
    answer = await api.client.get(f"/api/v1/files/{file_id}")
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["status"]
    return found


async def listed_as_damaged(api: Any) -> set[str]:
    page = (await api.client.get("/api/v1/files", params={"status": "damaged", "limit": 1000})).json()
    return {file["file_id"] for file in page["items"]}


async def told_as(api: Any, file_id: UUID) -> str:
    page = (await api.client.get("/api/v1/changes", params={"limit": 1000})).json()
    (found,) = (item["file"]["status"] for item in page["items"] if item["file"]["file_id"] == str(file_id))
    return str(found)


async def refused(api: Any, file_id: UUID) -> None:
    answer = await api.download(file_id)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "FILE_DAMAGED")


async def metrics(api: Any) -> dict[str, float]:
    lines = (await api.client.get("/metrics")).text.splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in (root / "files").rglob("*") if path.is_file()}


def lose(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    rotten = bytearray(path.read_bytes())
    rotten[len(rotten) // 2] ^= 4
    path.write_bytes(rotten)


class Gate(RealFileSystem):
    """Holds the readings of data at a certain place, when it is told to."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()
        self.at: Path | None = None
        self.skip = 0
        self._held: set[int] = set()

    def open(self, path: Path, flags: int) -> int:
        handle = super().open(path, flags)
        if path == self.at:
            self.skip -= 1
            if self.skip < 0:
                self._held.add(handle)
        return handle

    def close(self, handle: int) -> None:
        self._held.discard(handle)
        super().close(handle)

    def pread(self, handle: int, length: int, offset: int) -> bytes:
        if handle in self._held:
            self.loop.call_soon_threadsafe(self.reached.set)
            asyncio.run_coroutine_threadsafe(self.go_on.wait(), self.loop).result(20)
        return super().pread(handle, length, offset)


class Failing(RealFileSystem):
    """Cannot read one file."""

    def __init__(self, error: int = errno.EIO) -> None:
        self.bad: Path | None = None
        self._error = error
        self._handles: set[int] = set()

    def open(self, path: Path, flags: int) -> int:
        handle = super().open(path, flags)
        if path == self.bad:
            self._handles.add(handle)
        return handle

    def close(self, handle: int) -> None:
        self._handles.discard(handle)
        super().close(handle)

    def pread(self, handle: int, length: int, offset: int) -> bytes:
        if handle in self._handles:
            raise OSError(self._error, "cannot read")
        return super().pread(handle, length, offset)
