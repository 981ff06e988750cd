"""Many downloads begin at once: they are opened together, and what befalls one of them is its own."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any
from uuid import uuid4

from storage_element.disk.filesystem import READ, RealFileSystem
from storage_element.store.openings import VISITS

MARKER = "artstore-element.json"
LARGE = bytes(100_000)  # not read while it is opened


class Held(RealFileSystem):
    """Between `hold` and `release` no data is opened. `looks` counts those for the marker, `data` holds open handles."""

    def __init__(self) -> None:
        self.reached, self._go_on = threading.Semaphore(0), threading.Event()
        self._go_on.set()
        self.looks, self.data = 0, set[int]()

    def hold(self) -> None:
        self._go_on.clear()

    def release(self) -> None:
        self._go_on.set()

    def open(self, path: Path, flags: int) -> int:
        self.looks += path.name == MARKER
        if path.suffix != ".data" or flags != READ:
            return super().open(path, flags)
        if not self._go_on.is_set():
            self.reached.release()
            if not self._go_on.wait(30):
                raise OSError("held for too long")
        handle = super().open(path, flags)
        self.data.add(handle)
        return handle

    def close(self, handle: int) -> None:
        self.data.discard(handle)
        super().close(handle)


async def test_those_that_wait_are_opened_together_after_one_look_for_the_marker(make: Any) -> None:
    filesystem = Held()
    api = await make.start(filesystem=filesystem, marker_check_seconds=3600)
    ids = [uuid4() for _ in range(60)]
    for file_id in ids[1:]:
        await api.put(file_id, str(file_id).encode())
    await api.checkpoint()
    filesystem.hold()
    before = filesystem.looks
    downloads = [asyncio.create_task(api.download(file_id)) for file_id in reversed(ids)]
    for _ in range(VISITS):
        assert await asyncio.to_thread(filesystem.reached.acquire, timeout=10)
    filesystem.release()
    *answers, missing = await asyncio.gather(*downloads)
    assert [answer.text for answer in answers] == [str(file_id) for file_id in reversed(ids[1:])]
    assert missing.status_code == 404
    assert filesystem.looks - before < 20
    assert not filesystem.data


async def test_a_download_that_is_given_up_while_it_is_opened_leaves_nothing_open(make: Any) -> None:
    filesystem = Held()
    api = await make.start(filesystem=filesystem)
    file_id = uuid4()
    await api.put(file_id, LARGE)
    await api.checkpoint()
    filesystem.hold()
    download = asyncio.create_task(api.download(file_id))
    assert await asyncio.to_thread(filesystem.reached.acquire, timeout=10)
    download.cancel()
    filesystem.release()
    await asyncio.gather(download, return_exceptions=True)
    assert download.cancelled()
    assert not filesystem.data
    assert (await api.download(file_id)).content == LARGE


async def test_a_download_is_enough_to_find_the_disk_gone(make: Any) -> None:
    api = await make.start(marker_check_seconds=3600)
    file_id = uuid4()
    await api.put(file_id, b"hello")
    await api.checkpoint()
    (api.root / MARKER).rename(api.root.parent / "away")
    answer = await api.download(file_id)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "STORAGE_UNAVAILABLE")
    assert not api.app.state.element.opened.is_set()
    (api.root.parent / "away").rename(api.root / MARKER)
