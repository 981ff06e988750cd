"""Renditions that the store has lost: made again, and until then their viewers are told to wait, not that they are wrong."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from artstore_core.ids import new_id
from render_support import Bench, PictureDecoder, added, picture, running_worker


async def test_while_it_is_made_again_viewers_are_told_to_wait(bench: Bench, element: str) -> None:
    decoder = PictureDecoder()
    row = await added(bench, element, picture())
    async with running_worker(bench.settings, decoder):
        thumb, preview, tile = await bench.ready(row.file_id)
        urls = [thumb["url"], preview["url"], tile["url"], tile["iiif"]]
        decoder.gate = asyncio.Event()
        shutil.rmtree(bench.settings.store_dir)
        for url in (thumb["url"], *urls):
            answer = await bench.http.get(url)
            assert (answer.status_code, answer.headers.get("retry-after")) == (503, "2"), url
        decoder.gate.set()
        await bench.ready(row.file_id)
        assert [(await bench.http.get(url)).status_code for url in urls] == [200] * 4
        missing = thumb["url"].replace("thumb", "nothing")
        assert (await bench.http.get(missing)).status_code == 404


async def test_one_that_is_not_made_yet_is_waited_for(bench: Bench, element: str) -> None:
    row = await added(bench, element, picture())
    (listed,) = await bench.look(row.file_id)
    assert not listed["ready"]
    answer = await bench.http.get(listed["url"])
    assert (answer.status_code, answer.headers.get("retry-after")) == (503, "2")
    other = listed["url"].replace(str(row.file_id), str(new_id()))
    assert (await bench.http.get(other)).status_code == 403
    await bench.registry.change("UPDATE files SET status = 'deleted' WHERE file_id = $1", row.file_id)
    assert (await bench.http.get(listed["url"])).status_code == 404


async def test_what_a_power_cut_left_empty_is_made_again(bench: Bench, element: str, decoder: PictureDecoder) -> None:
    """A name reaches the disk before its bytes do: nothing here is flushed by force."""
    row = await added(bench, element, picture())
    async with running_worker(bench.settings, decoder):
        url = (await bench.ready(row.file_id))[0]["url"]
        await asyncio.to_thread(_empty, bench.settings.store_dir)
        assert (await bench.http.get(url)).status_code == 503
        await bench.ready(row.file_id)
        assert (await bench.http.get(url)).status_code == 200
    assert len(decoder.begun) == 2


def _empty(directory: Path) -> None:
    for path in directory.rglob("*.webp"):
        path.write_bytes(b"")
