"""Every kind of damage that is found: told, kept aside, and put right where that can be."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from element_upkeep import (
    content,
    cut,
    data_of,
    flip,
    listed_as_damaged,
    lose,
    metrics,
    quarantined,
    record_of,
    refused,
    run,
    status,
    stored,
    suspects_judged,
    told_as,
)

DAMAGES = [
    pytest.param(lose, "data_missing", "data missing", False, id="missing"),
    pytest.param(cut, "size_mismatch", "size mismatch", False, id="short"),
    pytest.param(flip, "checksum_mismatch", "checksum mismatch", True, id="rotten"),
]


async def test_data_without_a_record_goes_into_quarantine(api: Any) -> None:
    (kept,) = await stored(api)
    orphan = uuid4()
    data_of(api, orphan).parent.mkdir(exist_ok=True)
    data_of(api, orphan).write_bytes(b"whose?")
    found = await run(api, "reconcile", checksums=False)
    (finding,) = found["findings"]
    assert (found["counts"], finding["file_id"]) == ({"orphaned_data": 1}, str(orphan))
    assert [path.read_bytes() for path in quarantined(api)] == [b"whose?"]
    assert await status(api, kept) == "active"
    assert (await api.client.get(f"/api/v1/files/{orphan}")).status_code == 404
    assert (await api.client.get("/api/v1/info")).json()["used_bytes"] == 1006
    assert (await run(api, "reconcile"))["counts"] == {}


@pytest.mark.parametrize(("harm", "kind", "why", "checksums"), DAMAGES)
async def test_damaged_file_is_told_of_refused_and_healed_by_its_bytes(
    api: Any, harm: Callable[[Path], None], kind: str, why: str, checksums: bool
) -> None:
    healthy, broken = await stored(api, 2)
    harm(data_of(api, broken))
    rest = data_of(api, broken).read_bytes() if data_of(api, broken).exists() else None
    found = await run(api, "reconcile", checksums=checksums)
    assert found["counts"] == {kind: 1}
    await api.checkpoint()
    assert json.loads(record_of(api, broken).read_bytes())["damage"] == why
    assert [path.read_bytes() for path in quarantined(api)] == ([] if rest is None else [rest])
    assert (await status(api, broken), await status(api, healthy)) == ("damaged", "active")
    assert await listed_as_damaged(api) == {str(broken)}
    assert await told_as(api, broken) == "damaged"
    await refused(api, broken)
    assert (await api.download(healthy)).content == content(0)
    assert (await metrics(api))['artstore_element_files{status="damaged"}'] == 1
    assert (await run(api, "reconcile"))["counts"] == {}  # it is known by now
    assert (await api.put(broken, content(1))).status_code == 201
    assert (await api.download(broken)).content == content(1)
    assert await status(api, broken) == "active"
    assert (await run(api, "reconcile"))["counts"] == {}


async def test_data_that_somebody_put_back_is_healed(api: Any) -> None:
    (file_id,) = await stored(api)
    whole = data_of(api, file_id).read_bytes()
    flip(data_of(api, file_id))
    assert (await run(api, "reconcile"))["counts"] == {"checksum_mismatch": 1}
    await api.checkpoint()
    data_of(api, file_id).write_bytes(b"?" * len(whole))
    assert (await run(api, "reconcile"))["counts"] == {}
    await refused(api, file_id)
    data_of(api, file_id).write_bytes(whole)
    assert (await run(api, "reconcile", checksums=False))["counts"] == {}  # the size alone says nothing
    await refused(api, file_id)
    assert (await run(api, "reconcile"))["counts"] == {"healed": 1}
    assert (await api.download(file_id)).content == whole
    assert await told_as(api, file_id) == "active"


async def test_record_that_is_missing_is_written_anew_and_healed_once_the_data_was_read(api: Any) -> None:
    (file_id,) = await stored(api)
    before = (await api.client.get(f"/api/v1/files/{file_id}")).json()
    lose(record_of(api, file_id))
    assert (await run(api, "reconcile", checksums=False))["counts"] == {"record_missing": 1}
    await refused(api, file_id)
    await api.checkpoint()
    assert json.loads(record_of(api, file_id).read_bytes())["damage"] == "record missing"
    assert (await run(api, "reconcile"))["counts"] == {"healed": 1}
    after = (await api.client.get(f"/api/v1/files/{file_id}")).json()
    assert after == before | {"revision": 3}
    assert (await api.download(file_id)).content == content(0)
    assert quarantined(api) == []


async def test_clock_that_jumped_takes_no_file_whose_record_is_lost(api: Any) -> None:
    """As of all others: whether its time is over is for who looks at the clock first (requirement S6)."""
    file_id = uuid4()
    await api.put(file_id, b"hello", retention_policy="temporary", ttl_days=1)
    await api.checkpoint()
    lose(record_of(api, file_id))
    api.clock.jump(timedelta(days=3650))
    assert (await run(api, "reconcile"))["counts"] == {"record_missing": 1, "healed": 1}
    assert await api.app.state.upkeep.gc.once() == 0
    api.clock.jump(timedelta(days=-3650))
    assert (await api.download(file_id)).content == b"hello"
    api.clock.advance(timedelta(days=1))
    assert await api.app.state.upkeep.gc.once() == 1


async def test_file_that_is_gone_altogether_is_damaged_and_never_404(api: Any) -> None:
    (file_id,) = await stored(api)
    shutil.rmtree(data_of(api, file_id).parent)
    assert (await run(api, "reconcile"))["counts"] == {"record_missing": 1}
    assert await status(api, file_id) == "damaged"
    assert (await api.put(file_id, content(0))).status_code == 201
    assert (await api.download(file_id)).content == content(0)


async def test_deleted_file_whose_record_is_missing_just_goes(api: Any) -> None:
    (file_id,) = await stored(api)
    await api.client.delete(f"/api/v1/files/{file_id}")
    await api.checkpoint()
    lose(record_of(api, file_id))
    assert (await run(api, "reconcile"))["counts"] == {"record_missing": 1}
    assert api.files() == []
    assert await told_as(api, file_id) == "deleted"


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[1]"])
async def test_record_that_cannot_be_read_is_kept_aside_and_written_anew(api: Any, text: bytes) -> None:
    (file_id,) = await stored(api)
    record_of(api, file_id).write_bytes(text)
    found = await run(api, "reconcile", checksums=False)
    assert found["counts"] == {"record_unreadable": 1}
    await api.checkpoint()
    assert [path.read_bytes() for path in quarantined(api)] == [text]
    assert json.loads(record_of(api, file_id).read_bytes())["damage"] == "record unreadable"
    assert await listed_as_damaged(api) == {str(file_id)}
    await refused(api, file_id)
    assert (await run(api, "reconcile"))["counts"] == {"healed": 1}
    assert (await api.download(file_id)).content == content(0)


async def test_record_of_which_nobody_has_a_copy_stays_as_it_is(make: Any, root: Path) -> None:
    api = await make.start()
    (file_id,) = await stored(api)
    whole = record_of(api, file_id).read_bytes()
    await make.stop()
    record_of(api, file_id).write_bytes(b"{")
    (root / "index.sqlite").unlink()
    api = await make.start()
    assert await told_as(api, file_id) == "damaged"
    for _ in range(2):
        assert (await run(api, "reconcile"))["counts"] == {"record_unreadable": 1}
    assert record_of(api, file_id).read_bytes() == b"{"
    assert quarantined(api) == []
    record_of(api, file_id).write_bytes(whole)  # mended by hand
    assert (await run(api, "reconcile"))["counts"] == {"record_changed": 1}
    assert (await api.download(file_id)).content == content(0)
    assert await told_as(api, file_id) == "active"


async def test_unreadable_record_that_nobody_knew_of_is_told_as_damaged(api: Any) -> None:
    file_id = uuid4()
    record_of(api, file_id).parent.mkdir(exist_ok=True)
    record_of(api, file_id).write_bytes(b"{")
    data_of(api, file_id).write_bytes(b"hello")
    assert (await run(api, "reconcile"))["counts"] == {"record_unreadable": 1}
    assert [path.read_bytes() for path in quarantined(api)] == [b"{"]
    assert await told_as(api, file_id) == "damaged"
    await refused(api, file_id)
    assert data_of(api, file_id).read_bytes() == b"hello"


async def test_files_that_somebody_restored_are_known_again(make: Any) -> None:
    api = await make.start()
    old, edited = await stored(api, 2)
    copies = [(path, path.read_bytes()) for path in (data_of(api, old), record_of(api, old), record_of(api, edited))]
    await api.client.delete(f"/api/v1/files/{old}")
    await api.app.state.upkeep.gc.once()
    await api.client.patch(f"/api/v1/files/{edited}", json={"description": "new"})
    await api.checkpoint()
    for path, text in copies:
        path.write_bytes(text)
    assert (await run(api, "reconcile"))["counts"] == {"record_changed": 2}
    assert (await api.download(old)).content == content(0)
    assert await told_as(api, old) == "active"
    page = (await api.client.get("/api/v1/files")).json()
    assert {file["file_id"]: file["description"] for file in page["items"]} == {
        str(old): "годовой",
        str(edited): "годовой",
    }
    assert (await run(api, "reconcile"))["counts"] == {}


async def test_strange_names_are_told_of_and_left_alone(api: Any) -> None:
    (file_id,) = await stored(api)
    misplaced = api.root / "files" / ("000" if file_id.hex[-3:] != "000" else "001") / data_of(api, file_id).name
    strange = [
        api.root / "files" / "README",
        data_of(api, file_id).parent / "notes.txt",
        misplaced,
        data_of(api, file_id).parent / f"{str(file_id).upper()}.data",
    ]
    for path in strange:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"?")
    found = await run(api, "reconcile")
    assert found["counts"] == {"unknown_name": 4}
    expected = {"README", *(f"{path.parent.name}/{path.name}" for path in strange[1:])}
    assert {finding["name"] for finding in found["findings"]} == expected
    assert all(path.read_bytes() == b"?" for path in strange)


async def test_quarantine_counts_as_used(make: Any) -> None:
    api = await make.start(capacity_bytes=10_000)
    (file_id,) = await stored(api)
    flip(data_of(api, file_id))
    await run(api, "reconcile")
    used = (await api.client.get("/api/v1/info")).json()["used_bytes"]
    assert used == 2000  # the file's own room is kept for the bytes that heal it
    await api.put(file_id, content(0))
    await api.checkpoint()
    assert (await api.client.get("/api/v1/info")).json()["used_bytes"] == 2000
    await make.stop()
    api = await make.start(capacity_bytes=10_000)
    assert (await api.client.get("/api/v1/info")).json()["used_bytes"] == 2000


@pytest.mark.parametrize("harm", [lose, cut])
async def test_download_that_finds_damage_tells_listings_and_feed(api: Any, harm: Callable[[Path], None]) -> None:
    healthy, broken = await stored(api, 2)
    harm(data_of(api, broken))
    assert await told_as(api, broken) == "active"
    await refused(api, broken)
    await suspects_judged(api)
    assert await told_as(api, broken) == "damaged"
    assert await listed_as_damaged(api) == {str(broken)}
    assert (await api.download(healthy)).status_code == 200


async def test_files_that_are_away_altogether_are_not_taken_for_missing(make: Any, root: Path) -> None:
    """The marker is there, and what `files` should be is not: somebody's mount is missing."""
    api = await make.start()
    ids = await stored(api, 3)
    (root / "files").rename(root / "elsewhere")
    await api.client.post("/api/v1/maintenance/reconcile")
    stopped = (await api.client.delete("/api/v1/maintenance/reconcile")).json()
    assert (stopped["state"], stopped["counts"]) == ("stopped", {})
    (root / "elsewhere").rename(root / "files")
    assert (await run(api, "reconcile"))["counts"] == {}
    assert [await status(api, file_id) for file_id in ids] == ["active"] * 3
