"""From a registered file to pictures that a viewer can open."""

from __future__ import annotations

import asyncio
import io

from artstore_core.ids import new_id
from PIL import Image
from render_service.decoders.contract import DecodeFailed
from render_support import Bench, PictureDecoder, eventually, picture, picture_row, running_worker
from stored_support import store


async def test_a_registered_file_gets_previews_by_itself(bench: Bench, element: str, decoder: PictureDecoder) -> None:
    row = picture_row(content := picture())
    await store(element, row, bench.issuer, content)
    async with running_worker(bench.settings, decoder):
        await bench.registry.add(row)
        listed = await bench.ready(row.file_id)
    assert [one["kind"] for one in listed] == ["thumb", "preview", "tile"]
    assert all(one["ready"] for one in listed)
    thumb = await bench.http.get(listed[0]["url"])
    assert thumb.status_code == 200, thumb.text
    with Image.open(io.BytesIO(thumb.content)) as image:
        assert image.size == (256, 171)
    assert thumb.headers["cache-control"] == "private, max-age=600"
    assert decoder.sources == [content]


async def test_files_registered_before_are_caught_up_with(bench: Bench, element: str, decoder: PictureDecoder) -> None:
    rows = []
    for number in range(3):
        row = picture_row(content := picture(100 + number, 50))
        await store(element, row, bench.issuer, content)
        await bench.registry.add(row)
        rows.append(row)
    async with running_worker(bench.settings, decoder):
        for row in rows:
            await bench.state(row.file_id, "ready")
    assert len(decoder.begun) == 3


async def test_a_new_revision_of_the_same_bytes_makes_nothing_anew(
    bench: Bench, element: str, decoder: PictureDecoder
) -> None:
    row, marker = picture_row(content := picture()), picture_row(second := picture(80, 80))
    for one, body in ((row, content), (marker, second)):
        await store(element, one, bench.issuer, body)
    async with running_worker(bench.settings, decoder):
        await bench.registry.add(row)
        before = await bench.ready(row.file_id)
        change = "UPDATE files SET revision = 2, description = 'new' WHERE file_id = $1"
        await bench.registry.change(change, row.file_id)
        await bench.registry.add(marker)  # comes after it in the outbox
        await bench.state(marker.file_id, "ready")
        assert [one["id"] for one in await bench.look(row.file_id)] == [one["id"] for one in before]
    assert len(decoder.begun) == 2


async def test_a_deleted_file_takes_its_previews_with_it(bench: Bench, element: str, decoder: PictureDecoder) -> None:
    row = picture_row(content := picture())
    await store(element, row, bench.issuer, content)
    async with running_worker(bench.settings, decoder):
        await bench.registry.add(row)
        listed = await bench.ready(row.file_id)
        files = list(bench.settings.store_dir.rglob("*.webp"))
        assert files
        await bench.registry.change("UPDATE files SET status = 'deleted' WHERE file_id = $1", row.file_id)
        assert (await bench.http.get(listed[0]["url"])).status_code == 404
        await bench.look(row.file_id, 404)
        await until_gone(bench)
        assert await bench.job(row.file_id) is None
    assert await bench.fetch("SELECT FROM render.renditions") == []


async def until_gone(bench: Bench) -> None:
    """Nothing in the store, nothing in the queue, nothing that is still to be removed."""

    async def gone() -> bool:
        left = await bench.fetch(
            "SELECT FROM render.jobs UNION ALL SELECT FROM render.pgqueuer UNION ALL SELECT FROM render.removals"
        )
        return not left and not [path for path in bench.settings.store_dir.rglob("*") if path.is_file()]

    await eventually(gone)


async def test_a_job_is_broken_off_when_its_file_is_deleted(bench: Bench, element: str) -> None:
    decoder = PictureDecoder(gate=asyncio.Event())
    row = picture_row(content := picture())
    await store(element, row, bench.issuer, content)
    async with running_worker(bench.settings, decoder):
        await bench.registry.add(row)
        await decoder.started.wait()
        await bench.registry.change("UPDATE files SET status = 'deleted' WHERE file_id = $1", row.file_id)
        await until_gone(bench)


async def test_what_fails_for_good_says_why_and_can_be_retried(
    bench: Bench, element: str, decoder: PictureDecoder
) -> None:
    decoder.fails.append(DecodeFailed("truncated image", permanent=True))
    row = picture_row(content := picture())
    await store(element, row, bench.issuer, content)
    await bench.registry.add(row)
    async with running_worker(bench.settings, decoder):
        job = await bench.state(row.file_id, "failed")
        assert (job["reason"], job["permanent"], job["attempts"]) == ("truncated image", True, 1)
        dead = await bench.http.get("/api/v1/render-jobs?state=failed", headers=bench.issuer.bearer())
        assert [one["id"] for one in dead.json()["items"]] == [job["id"]]
        assert [one["ready"] for one in await bench.look(row.file_id)] in ([True], [False])
        await bench.state(row.file_id, "failed")  # looking at it starts nothing
        again = await bench.http.post(f"/api/v1/render-jobs/{job['id']}/retry", headers=bench.issuer.bearer())
        assert (again.status_code, again.json()["state"]) == (202, "waiting")
        await bench.state(row.file_id, "ready")
        again = await bench.http.post(f"/api/v1/render-jobs/{job['id']}/retry", headers=bench.issuer.bearer())
        assert (again.status_code, again.json()["error"]["code"]) == (409, "CONFLICT")


async def test_what_may_pass_is_tried_again_by_itself(bench: Bench, element: str, decoder: PictureDecoder) -> None:
    decoder.fails.append(DecodeFailed("was stopped by the system", permanent=False))
    row = picture_row(content := picture())
    await store(element, row, bench.issuer, content)
    await bench.registry.add(row)
    async with running_worker(bench.settings, decoder):
        job = await bench.state(row.file_id, "ready")
        assert job["attempts"] == 2


async def test_after_the_last_try_it_is_dead(bench: Bench, element: str, decoder: PictureDecoder) -> None:
    decoder.fails.extend([DecodeFailed("was stopped by the system", permanent=False)] * 5)
    row = picture_row(content := picture())
    await store(element, row, bench.issuer, content)
    await bench.registry.add(row)
    async with running_worker(bench.settings.model_copy(update={"max_attempts": 1}), decoder):
        job = await bench.state(row.file_id, "failed")
        assert (job["reason"], job["permanent"]) == ("was stopped by the system", False)


async def test_bytes_that_are_not_the_files_are_not_shown(bench: Bench, element: str, decoder: PictureDecoder) -> None:
    row = picture_row(content := picture())
    await store(element, row, bench.issuer, content)
    row.checksum = "0" * 64
    await bench.registry.add(row)
    async with running_worker(bench.settings.model_copy(update={"max_attempts": 1}), decoder):
        job = await bench.state(row.file_id, "failed")
        assert "not those of the file" in job["reason"]
    assert decoder.begun == []


async def test_a_file_of_another_type_has_no_previews(bench: Bench) -> None:
    row = picture_row(b"plain")
    row.content_type = "text/plain"
    await bench.registry.add(row)
    assert await bench.look(row.file_id) == []
    made = await bench.http.post(
        "/api/v1/render-jobs", json={"file_id": str(row.file_id)}, headers=bench.issuer.bearer()
    )
    assert (made.status_code, made.json()["error"]["code"]) == (415, "TYPE_NOT_ALLOWED")
    await bench.look(new_id(), 404)


async def test_a_damaged_file_is_not_given_up_for_good(bench: Bench, element: str, decoder: PictureDecoder) -> None:
    row, other = picture_row(content := picture()), picture_row(second := picture(80, 80))
    for one, body in ((row, content), (other, second)):
        await store(element, one, bench.issuer, body)
    await bench.registry.add(row)
    await bench.look(row.file_id)
    await bench.registry.change("UPDATE files SET status = 'damaged' WHERE file_id = $1", row.file_id)
    async with running_worker(bench.settings, decoder):
        job = await bench.state(row.file_id, "failed")
        assert (job["reason"], job["permanent"]) == ("the file is damaged", False)
        await bench.registry.change("UPDATE files SET status = 'active' WHERE file_id = $1", row.file_id)
        await bench.registry.change("UPDATE render.jobs SET updated_at = now() - interval '1 hour'")
        await bench.look(row.file_id)  # who looks at it has it tried again
        await bench.state(row.file_id, "ready")


async def test_a_damaged_file_without_previews_says_so(bench: Bench) -> None:
    row = picture_row(picture())
    row.status = "damaged"
    await bench.registry.add(row)
    assert await bench.look(row.file_id) == []
    made = await bench.http.post(
        "/api/v1/render-jobs", json={"file_id": str(row.file_id)}, headers=bench.issuer.bearer()
    )
    assert (made.status_code, made.json()["error"]["code"]) == (409, "FILE_DAMAGED")


async def test_a_job_that_was_given_back_had_no_try(bench: Bench, element: str, decoder: PictureDecoder) -> None:
    settings = bench.settings.model_copy(update={"max_attempts": 1, "shutdown_grace_seconds": 0})
    row = picture_row(content := picture())
    await store(element, row, bench.issuer, content)
    await bench.registry.add(row)
    for _ in range(3):  # workers that are stopped in the middle of it, as each release does
        slow = PictureDecoder(gate=asyncio.Event())
        async with running_worker(settings, slow):
            await slow.started.wait()
    async with running_worker(settings, decoder):
        assert (await bench.state(row.file_id, "ready", "failed"))["state"] == "ready"
