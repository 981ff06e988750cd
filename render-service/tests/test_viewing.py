"""What viewers ask for: lists, pictures, tiles, events; and what they must not get."""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
from artstore_core.ids import new_id
from artstore_testing.servers import running_app
from PIL import Image
from query_support import MASTER_KEY
from render_service.main import build
from render_service.renditions.following import Patience
from render_service.renditions.ways import Ways
from render_support import SECONDS, Bench, PictureDecoder, added, eventually, picture, running_worker


async def test_two_hundred_viewers_of_a_missing_preview_are_one_job(
    bench: Bench, element: str, decoder: PictureDecoder
) -> None:
    row = await added(bench, element, picture())
    lists = await asyncio.gather(*(bench.look(row.file_id) for _ in range(200)))
    assert all([one["ready"] for one in listed] == [False] for listed in lists)
    queued = await bench.fetch("SELECT priority, status::text FROM render.pgqueuer")
    assert [(one["priority"], one["status"]) for one in queued] == [(100, "queued")]
    async with running_worker(bench.settings, decoder):
        await bench.ready(row.file_id)
    assert len(decoder.begun) == 1


async def test_two_hundred_viewers_of_a_lost_preview_are_one_more(
    bench: Bench, element: str, decoder: PictureDecoder
) -> None:
    row = await added(bench, element, picture())
    async with running_worker(bench.settings, decoder):
        url = (await bench.ready(row.file_id))[0]["url"]
        shutil.rmtree(bench.settings.store_dir)
        answers = await asyncio.gather(*(bench.http.get(url) for _ in range(200)))
        assert {answer.status_code for answer in answers} <= {503, 200}
        assert all(answer.headers["retry-after"] for answer in answers if answer.status_code == 503)
        await bench.ready(row.file_id)
        assert (await bench.http.get(url)).status_code == 200
    assert len(decoder.begun) == 2


async def test_who_looks_goes_before_what_waits(bench: Bench, element: str, decoder: PictureDecoder) -> None:
    rows = [await added(bench, element, picture(100 + number, 20)) for number in range(4)]
    for row in rows:
        made = await bench.http.post(
            "/api/v1/render-jobs", json={"file_id": str(row.file_id)}, headers=bench.issuer.bearer()
        )
        assert (made.status_code, made.json()["priority"]) == (202, 50)
    await bench.look(rows[-1].file_id)
    async with running_worker(bench.settings.model_copy(update={"jobs_at_once": 1}), decoder):
        for row in rows:
            await bench.state(row.file_id, "ready")
    with Image.open(io.BytesIO(decoder.sources[0])) as first:
        assert first.width == 103


async def test_a_picture_is_seen_before_all_of_them_are_made(bench: Bench, element: str) -> None:
    decoder = PictureDecoder(gate=asyncio.Event(), pages=100)
    assert decoder.gate is not None
    row = await added(bench, element, picture())
    async with running_worker(bench.settings, decoder):
        listed: list[dict[str, Any]] = []

        async def shown() -> bool:
            listed[:] = await bench.look(row.file_id)
            return bool(listed[0]["ready"])

        await eventually(shown)
        assert [one["kind"] for one in listed] == ["thumb"]
        assert (await bench.http.get(listed[0]["url"])).status_code == 200
        decoder.gate.set()
        assert len(await bench.ready(row.file_id)) == 3


async def test_bytes_honour_ranges_and_conditions(bench: Bench, element: str, decoder: PictureDecoder) -> None:
    row = await added(bench, element, picture())
    async with running_worker(bench.settings, decoder):
        url = (await bench.ready(row.file_id))[0]["url"]
    whole = await bench.http.get(url)
    part = await bench.http.get(url, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert (await bench.http.get(url, headers={"If-None-Match": whole.headers["etag"]})).status_code == 304
    head = await bench.http.head(url)
    assert (head.headers["content-length"], head.content) == (str(len(whole.content)), b"")
    assert (await bench.http.get(url, headers={"Range": "bytes=9999999-"})).status_code == 416
    assert whole.headers["x-content-type-options"] == "nosniff"


async def test_a_ticket_opens_its_own_file_and_nothing_else(
    bench: Bench, element: str, decoder: PictureDecoder
) -> None:
    row, other = await added(bench, element, picture()), await added(bench, element, picture(90, 90))
    async with running_worker(bench.settings, decoder):
        url = (await bench.ready(row.file_id))[0]["url"]
        await bench.ready(other.file_id)
    for wrong, status in (
        (url.replace(str(row.file_id), str(other.file_id)), 403),
        (url[:-2] + ("aa" if url[-2:] != "aa" else "bb"), 401),
        (url.partition("?")[0], 400),
        (url.replace("thumb.webp", "nothing.webp"), 404),
        (url.replace("thumb.webp", "tiles.pack"), 404),
    ):
        assert (await bench.http.get(wrong)).status_code == status, wrong
    for path in (f"/api/v1/renditions/{row.file_id}", "/api/v1/render-jobs"):
        assert (await bench.http.get(path)).status_code == 401
        assert (await bench.http.get(path, headers=bench.issuer.bearer(["storage:read"]))).status_code == 403
    writes = await bench.http.post(
        "/api/v1/render-jobs", json={"file_id": str(row.file_id)}, headers=bench.issuer.bearer(["files:read"])
    )
    assert writes.status_code == 403


async def test_deep_zoom_and_iiif_are_the_same_tiles(bench: Bench, element: str, decoder: PictureDecoder) -> None:
    row = await added(bench, element, picture(600, 400))
    async with running_worker(bench.settings, decoder):
        tile = (await bench.ready(row.file_id))[-1]
    base = tile["url"].removesuffix("/image.dzi")
    descriptor = ElementTree.fromstring((await bench.http.get(tile["url"])).text)
    size = descriptor.find("{http://schemas.microsoft.com/deepzoom/2008}Size")
    assert size is not None
    assert (size.get("Width"), size.get("Height"), descriptor.get("TileSize")) == ("600", "400", "256")
    info = (await bench.http.get(tile["iiif"])).json()
    assert (info["width"], info["height"], info["profile"]) == (600, 400, "level0")
    assert info["tiles"] == [{"width": 256, "scaleFactors": [1, 2, 4]}]
    for deep, image, expected in (
        ("10/0_0", "0,0,256,256/256,256", (256, 256)),
        ("10/2_1", "512,256,88,144/88,144", (88, 144)),
        ("9/1_0", "512,0,88,400/44,200", (44, 200)),
        ("8/0_0", "full/max", (150, 100)),
        ("8/0_0", "0,0,600,400/150,100", (150, 100)),
    ):
        one = await bench.http.get(f"{base}/image_files/{deep}.jpg")
        two = await bench.http.get(f"{info['id']}/{image}/0/default.jpg")
        assert (one.status_code, two.status_code) == (200, 200), (deep, image)
        assert one.content == two.content
        with Image.open(io.BytesIO(one.content)) as opened:
            assert opened.size == expected
        assert (await bench.http.get(str(one.url), headers={"If-None-Match": one.headers["etag"]})).status_code == 304
    for wrong in ("image_files/10/3_0.jpg", "image_files/11/0_0.jpg", "image_files/10/0_0.png", "iiif/1,0,256,256/256,256/0/default.jpg",
                  "iiif/0,0,256,256/100,100/0/default.jpg", "iiif/0,0,256,256/256,256/90/default.jpg"):  # fmt: skip
        assert (await bench.http.get(f"{base}/{wrong}")).status_code == 404, wrong


async def test_tiles_stay_open_while_the_list_is_asked_for_and_no_longer(
    bench: Bench, element: str, decoder: PictureDecoder
) -> None:
    row = await added(bench, element, picture())
    async with running_worker(bench.settings, decoder):
        url = (await bench.ready(row.file_id))[-1]["url"]
    # Another token of the same account renews the same way; another account has a way of its own.
    assert (await bench.look(row.file_id))[-1]["url"] == url
    stranger = bench.issuer.bearer(subject="sa:sa_other_0001")
    theirs = await bench.http.get(f"/api/v1/renditions/{row.file_id}", headers=stranger)
    assert theirs.json()[-1]["url"] != url
    left = (await bench.fetch("SELECT max(expires_at - now()) AS left FROM render.views"))[0]["left"]
    assert timedelta(minutes=9) < left <= timedelta(minutes=10)
    await bench.registry.change("UPDATE render.views SET expires_at = now() - interval '1 second'")
    refused = await bench.http.get(url)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "UNAUTHORIZED")
    renewed = (await bench.look(row.file_id))[-1]["url"]
    assert renewed != url
    assert (await bench.http.get(renewed)).status_code == 200
    assert (await bench.http.get(url)).status_code == 401


async def test_a_forged_view_is_refused(bench: Bench, element: str, decoder: PictureDecoder) -> None:
    row = await added(bench, element, picture())
    async with running_worker(bench.settings, decoder):
        await bench.ready(row.file_id)
    for key in (MASTER_KEY[::-1], MASTER_KEY):
        ways = Ways.of(key, "http://render", lambda: datetime.now(UTC))
        assert (await bench.http.get(ways.dzi(row.file_id, new_id()))).status_code == 401
    assert (await bench.http.get(f"/api/v1/renditions/{row.file_id}/tiles/x/image.dzi")).status_code == 401


async def test_events_tell_how_far_it_is(bench: Bench, element: str) -> None:
    decoder = PictureDecoder(gate=asyncio.Event(), pages=100)
    assert decoder.gate is not None
    row = await added(bench, element, picture())
    ticket = (await bench.look(row.file_id))[0]["url"].partition("ticket=")[2]
    path = f"/api/v1/renditions/{row.file_id}/events"
    seen: list[tuple[str, str]] = []
    with running_app(build(bench.settings, patience=Patience(beat=0.2))) as url:
        async with (
            httpx.AsyncClient(base_url=url, timeout=SECONDS) as http,
            http.stream("GET", path, params={"ticket": ticket}) as stream,
            running_worker(bench.settings, decoder),
        ):
            assert stream.headers["content-type"].startswith("text/event-stream")
            last = ""
            beats = 0
            async for line in stream.aiter_lines():
                beats += line.startswith(":")
                last = line.removeprefix("id: ") if line.startswith("id: ") else last
                if line.startswith("data: "):
                    event = json.loads(line.removeprefix("data: "))
                    seen.append((event["state"], event["message"]))
                if ("converting", "12 of 100") in seen and beats:
                    decoder.gate.set()
        async with httpx.AsyncClient(base_url=url, timeout=SECONDS) as http:
            over = await http.get(path, headers=bench.issuer.bearer() | {"Last-Event-ID": last})
            assert over.status_code == 204
            assert (await http.get(path)).status_code == 401
            assert (
                await http.get(f"/api/v1/renditions/{new_id()}/events", headers=bench.issuer.bearer())
            ).status_code == 404
    assert seen[0] == ("waiting", "waiting")
    assert ("converting", "12 of 100") in seen
    assert seen[-1] == ("ready", "ready")


async def test_jobs_are_listed_in_pages(bench: Bench, element: str) -> None:
    ids: set[UUID] = set()
    for number in range(3):
        row = await added(bench, element, picture(50 + number, 10))
        await bench.look(row.file_id)
        ids.add(row.file_id)
    headers = bench.issuer.bearer()
    page = (await bench.http.get("/api/v1/render-jobs?state=waiting&limit=2", headers=headers)).json()
    assert (len(page["items"]), page["total"], page["has_more"]) == (2, 3, True)
    past = (await bench.http.get("/api/v1/render-jobs?offset=10", headers=headers)).json()
    assert (past["items"], past["total"], past["has_more"]) == ([], 3, False)
    assert (await bench.http.get("/api/v1/render-jobs?state=strange", headers=headers)).status_code == 400
    one = page["items"][0]
    assert (await bench.http.get(f"/api/v1/render-jobs/{one['id']}", headers=headers)).json() == one
    assert (await bench.http.get(f"/api/v1/render-jobs/{new_id()}", headers=headers)).status_code == 404


async def test_viewers_and_workers_do_not_stand_in_each_others_way(
    bench: Bench, element: str, decoder: PictureDecoder
) -> None:
    """Each locks a job and its row of the queue: in one order, or PostgreSQL ends one of them (`deadlock detected`)."""
    rows = [await added(bench, element, picture(40 + number, 30)) for number in range(8)]
    async with running_worker(bench.settings, decoder):
        await asyncio.gather(*(bench.look(row.file_id) for row in rows for _ in range(10)))
        for row in rows:
            await bench.ready(row.file_id)
    assert len(decoder.begun) == len(rows)
    found = await bench.fetch("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert found[0]["deadlocks"] == 0
