"""Reconcile and scrub as jobs: they find rot, can be stopped, go on, and disturb nobody."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from artstore_core.scopes import Scope, element_audience
from element_upkeep import (
    FAST,
    Gate,
    content,
    data_of,
    ended,
    flip,
    listed_as_damaged,
    metrics,
    quarantined,
    record_of,
    run,
    state,
    stored,
    tree,
)


async def test_healthy_element_has_nothing_to_find(make: Any) -> None:
    api = await make.start(scrub_bytes_per_second=FAST)
    await stored(api, 20)
    deleted = (await stored(api, 1))[0]
    await api.client.delete(f"/api/v1/files/{deleted}")
    await api.put(uuid4(), b"")
    await api.checkpoint()
    before = tree(api.root)
    for job, body in (("reconcile", {}), ("reconcile", {"checksums": False}), ("scrub", {})):
        found = await run(api, job, **body)
        assert (found["files"], found["counts"], found["findings"]) == (22, {}, [])
        assert (found["position"], found["total"]) == (4096, 4096)
        assert found["bytes"] == (0 if body else 20_000)
    assert tree(api.root) == before
    assert quarantined(api) == []


@pytest.mark.parametrize("job", ["reconcile", "scrub"])
async def test_job_is_stopped_and_goes_on_where_it_was_over_a_restart(make: Any, job: str) -> None:
    gate = Gate()
    api = await make.start(filesystem=gate, scrub_bytes_per_second=FAST)
    ids = await stored(api, 30)
    ordered = sorted(ids, key=lambda file_id: (file_id.hex[-3:], file_id))
    for file_id in (ordered[3], ordered[20]):
        flip(data_of(api, file_id))
    gate.at = data_of(api, ordered[10])
    assert (await api.client.post(f"/api/v1/maintenance/{job}")).json()["state"] == "running"
    await asyncio.wait_for(gate.reached.wait(), 20)
    again = await api.client.post(f"/api/v1/maintenance/{job}")
    assert (again.status_code, again.json()["state"]) == (202, "running")
    stopping = asyncio.create_task(getattr(api.app.state.upkeep, job).stop())
    await asyncio.sleep(0)  # it is told now, and waits for the reading
    gate.go_on.set()
    await stopping
    stopped = await state(api, job)
    assert (stopped["state"], stopped["counts"]) == ("stopped", {"checksum_mismatch": 1})
    assert 10 <= stopped["files"] <= 11
    assert stopped["finished_at"] is None
    await make.stop()
    api = await make.start(scrub_bytes_per_second=FAST)
    assert await state(api, job) == stopped
    done = await run(api, job)
    assert (done["files"], done["counts"]) == (30, {"checksum_mismatch": 2})
    assert done["started_at"] == stopped["started_at"]
    assert await listed_as_damaged(api) == {str(ordered[3]), str(ordered[20])}
    assert (await run(api, job))["files"] == 30


async def test_job_that_was_running_goes_on_by_itself_after_a_restart(make: Any) -> None:
    gate = Gate()
    api = await make.start(filesystem=gate, scrub_bytes_per_second=FAST)
    ids = await stored(api, 5)
    gate.at = data_of(api, sorted(ids, key=lambda file_id: (file_id.hex[-3:], file_id))[2])
    await api.client.post("/api/v1/maintenance/scrub")
    await asyncio.wait_for(gate.reached.wait(), 20)
    gate.go_on.set()
    await make.stop()
    text = json.loads((api.root / "maintenance" / "scrub.json").read_text())
    text["state"] = "running"  # whether it came to its end before it was stopped is not certain
    text["position"] = 0
    (api.root / "maintenance" / "scrub.json").write_text(json.dumps(text))
    api = await make.start(scrub_bytes_per_second=FAST)
    assert (await state(api, "scrub"))["state"] == "running"
    stopped = (await api.client.delete("/api/v1/maintenance/scrub")).json()
    assert stopped["state"] == "stopped"


async def test_notes_that_cannot_be_read_cost_time_only(make: Any, root: Path) -> None:
    (root / "maintenance").mkdir(exist_ok=True)
    for text in (b"", b"{", b'{"state": "flying"}'):
        (root / "maintenance" / "reconcile.json").write_bytes(text)
        api = await make.start()
        assert (await state(api, "reconcile"))["state"] == "idle"
        await run(api, "reconcile")
        await make.stop()


async def test_file_that_changes_while_it_is_read_is_no_damage(make: Any) -> None:
    """It is purged, and comes again with other bytes, between the reading of its record and that of its data."""
    gate = Gate()
    api = await make.start(filesystem=gate, scrub_bytes_per_second=FAST)
    (file_id,) = await stored(api)
    gate.at = data_of(api, file_id)
    await api.client.post("/api/v1/maintenance/scrub")
    await asyncio.wait_for(gate.reached.wait(), 20)
    await api.client.delete(f"/api/v1/files/{file_id}")
    await api.app.state.upkeep.gc.once()
    assert (await api.put(file_id, b"other")).status_code == 201
    await api.checkpoint()
    gate.go_on.set()
    found = await ended(api.app.state.upkeep.scrub)
    assert found.counts == {}
    assert (await api.download(file_id)).content == b"other"


@pytest.mark.parametrize("job", ["reconcile", "scrub"])
async def test_rotten_file_that_was_replaced_while_it_was_judged_is_no_damage(make: Any, job: str) -> None:
    """The new one has the same record to the last letter, and whole bytes."""
    gate = Gate()
    api = await make.start(filesystem=gate, scrub_bytes_per_second=FAST)
    (file_id,) = await stored(api)
    record = record_of(api, file_id).read_bytes()
    flip(data_of(api, file_id))
    gate.at, gate.skip = data_of(api, file_id), 1  # the first reading finds it, the second is to judge
    await api.client.post(f"/api/v1/maintenance/{job}")
    await asyncio.wait_for(gate.reached.wait(), 20)
    await api.client.delete(f"/api/v1/files/{file_id}")
    await api.app.state.upkeep.gc.once()
    assert (await api.put(file_id, content(0))).status_code == 201
    await api.checkpoint()
    assert record_of(api, file_id).read_bytes() == record
    gate.go_on.set()
    found = await ended(getattr(api.app.state.upkeep, job))
    assert found.counts == {}
    assert (await api.download(file_id)).content == content(0)
    assert quarantined(api) == []


async def test_orphan_whose_file_comes_at_that_moment_does_not_take_it_along(api: Any) -> None:
    (file_id,) = await stored(api)
    await api.client.delete(f"/api/v1/files/{file_id}")
    await api.app.state.upkeep.gc.once()
    await api.checkpoint()
    data_of(api, file_id).write_bytes(b"orphan")
    examined = asyncio.create_task(run(api, "reconcile"))
    assert (await api.put(file_id, content(0))).status_code == 201
    assert (await examined)["counts"] in ({}, {"orphaned_data": 1})
    await api.checkpoint()
    assert (await api.download(file_id)).content == content(0)
    assert (await run(api, "reconcile"))["counts"] == {}


async def test_uploads_beside_a_reconciliation_are_no_findings(make: Any) -> None:
    api = await make.start()
    await stored(api, 10)

    async def uploading() -> None:
        for number in range(200):
            file_id = uuid4()
            await api.put(file_id, content(number, 70_000 if number % 7 == 0 else 100))
            if number % 3 == 0:
                await api.client.patch(f"/api/v1/files/{file_id}", json={"description": "x"})
            if number % 5 == 0:
                await api.client.delete(f"/api/v1/files/{file_id}")

    async def reconciling() -> None:
        while not uploads.done():
            assert (await run(api, "reconcile"))["counts"] == {}
            await api.app.state.upkeep.gc.once()

    uploads = asyncio.create_task(uploading())
    await asyncio.gather(uploads, reconciling())
    assert (await run(api, "reconcile"))["counts"] == {}
    assert quarantined(api) == []


def unmount(root: Path) -> None:
    root.rename(root.parent / "away")


def remount(root: Path) -> None:
    (root.parent / "away").rename(root)


async def test_disk_that_goes_away_loses_nothing(make: Any, root: Path) -> None:
    api = await make.start(marker_check_seconds=60)
    await stored(api, 3)
    unmount(root)
    answer = await api.client.post("/api/v1/maintenance/reconcile")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "STORAGE_UNAVAILABLE")
    remount(root)
    assert quarantined(api) == []


async def test_who_may_what(api: Any) -> None:
    async def answer(method: str, *scopes: Scope) -> int:
        headers = api.issuer.bearer(scopes, audience=element_audience("se-test-1"))
        got = await api.client.request(method, "/api/v1/maintenance/scrub", headers=headers)
        code: int = got.status_code
        return code

    assert await answer("GET", Scope.STORAGE_READ) == 200
    assert await answer("GET", Scope.STORAGE_WRITE) == 200
    assert await answer("GET", Scope.FILES_WRITE, Scope.FILES_READ) == 403
    for method in ("POST", "DELETE"):
        assert await answer(method, Scope.STORAGE_READ, Scope.FILES_WRITE) == 403
    assert await answer("DELETE", Scope.STORAGE_WRITE) == 200
    assert (await api.client.get("/api/v1/maintenance/scrub", headers={"Authorization": ""})).status_code == 401
    wrong = await api.client.post("/api/v1/maintenance/reconcile", json={"checksum": True})
    assert wrong.status_code == 400


async def test_metrics_tell_of_the_element_and_do_not_wait_for_its_disk(make: Any, root: Path) -> None:
    api = await make.start(capacity_bytes=1_000_000, marker_check_seconds=60)
    await stored(api, 3)
    await api.begin(uuid4(), 8)
    figures = await metrics(api)
    expected = {
        "capacity_bytes": 1_000_000,
        "used_bytes": 3000,
        'files{status="active"}': 3,
        'files{status="damaged"}': 0,
        'mode{mode="edit"}': 1,
        'mode{mode="ro"}': 0,
        "up": 1,
        "pending_changes": 0,
        "log_segments": 1,
        "quarantine_bytes": 0,
        "staged_bytes": 0,
        "group_changes_count": 3,
        "log_flush_seconds_count": 3,
        "clock_doubtful": 0,
        "scrub_progress_ratio": 0,
        "last_checkpoint_timestamp_seconds": api.clock().timestamp(),
    }
    assert {name: figures[f"artstore_element_{name}"] for name in expected} == expected
    assert figures["artstore_element_available_bytes"] == 1_000_000 - 3000 - 8
    unmount(root)
    assert (await api.client.get("/api/v1/info")).status_code == 503
    figures = await metrics(api)
    assert (figures["artstore_element_up"], figures["artstore_element_used_bytes"]) == (0, 3000)
    remount(root)
