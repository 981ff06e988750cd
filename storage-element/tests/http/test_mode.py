"""Mode transitions at run time (requirement S3), and what each mode forbids from the moment of the answer on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from artstore_core.modes import Mode
from element_faults import FailingFileSystem
from structlog.testing import capture_logs

MIB = 1024 * 1024
GOOD = {(Mode.RW, Mode.RO), (Mode.RO, Mode.AR)}
CONFIRMED = {(Mode.RO, Mode.RW)}


async def change(api: Any, target: str, **body: Any) -> Any:
    return await api.client.post("/api/v1/mode/transition", json={"target_mode": target} | body)


async def mode_of(api: Any) -> str:
    found: str = (await api.client.get("/api/v1/info")).json()["mode"]
    return found


async def start_in(make: Any, mode: Mode) -> Any:
    (make.root / "mode.json").write_text(json.dumps({"mode": mode}))
    return await make.start()


@pytest.mark.parametrize("confirm", [False, True])
@pytest.mark.parametrize("target", list(Mode))
@pytest.mark.parametrize("current", list(Mode))
async def test_every_pair(make: Any, current: Mode, target: Mode, *, confirm: bool) -> None:
    api = await start_in(make, current)
    answer = await change(api, target, confirm=confirm)
    pair = current, target
    if pair in GOOD or (pair in CONFIRMED and confirm):
        told = answer.json()
        assert (answer.status_code, told["previous_mode"], told["mode"]) == (200, current, target)
        assert told["changed_at"].endswith("Z")
        assert told["changed_by"]
        assert await mode_of(api) == target
    else:
        code = "CONFIRMATION_REQUIRED" if pair in CONFIRMED else "INVALID_TRANSITION"
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, code)
        assert await mode_of(api) == current


async def test_mode_survives_a_restart_and_says_who_changed_it(make: Any) -> None:
    api = await start_in(make, Mode.RW)
    told = (await change(api, "ro")).json()
    await make.stop()
    api = await make.start()
    assert await mode_of(api) == "ro"
    record = json.loads((api.root / "mode.json").read_text())
    assert (record["mode"], record["changed_by"]) == ("ro", told["changed_by"])


async def test_change_is_logged_with_who_and_from_where(make: Any) -> None:
    api = await start_in(make, Mode.RO)
    api.client.headers["X-Forwarded-For"] = "203.0.113.7"  # by a proxy that is trusted
    with capture_logs() as said:
        told = (await change(api, "rw", confirm=True)).json()
    (event,) = [event for event in said if "mode changed" in event.values()]
    assert (told["changed_by"], event["address"]) == (event["by"], "203.0.113.7")


FORBIDDEN = {
    Mode.EDIT: set[str](),
    Mode.RW: {"delete"},
    Mode.RO: {"put", "begin", "update", "delete"},
    Mode.AR: {"put", "begin", "update", "delete", "download", "head"},
}


@pytest.mark.parametrize("mode", list(Mode))
async def test_what_a_mode_forbids_is_409_and_changes_nothing(make: Any, mode: Mode) -> None:
    api = await make.start()
    file_id = uuid4()
    before = (await api.put(file_id, b"hello")).json()
    await make.stop()
    api = await start_in(make, mode)
    path = f"/api/v1/files/{file_id}"
    answers = {
        "put": await api.put(uuid4(), b"x"),
        "begin": await api.begin(uuid4(), 5),
        "download": await api.download(file_id),
        "head": await api.client.head(f"{path}/download"),
        "list": await api.client.get("/api/v1/files"),
        "get": await api.client.get(path),
        "changes": await api.client.get("/api/v1/changes"),
        "update": await api.client.patch(path, json={"tags": []}),
        "delete": await api.client.delete(path),
    }
    refused = {name for name, answer in answers.items() if answer.status_code == 409}
    assert refused == FORBIDDEN[mode]
    assert {answers[name].json()["error"]["code"] for name in refused - {"head"}} <= {"MODE_NOT_ALLOWED"}
    if {"update", "delete"} <= refused:
        assert (await api.client.get(path)).json() == before


async def test_upload_that_began_before_the_change_is_not_kept_after_it(make: Any) -> None:
    """Room, bytes and digest were fine; the answer of the transition was first."""
    api = await start_in(make, Mode.RW)
    under_way, go_on, large, half = asyncio.Event(), asyncio.Event(), uuid4(), uuid4()

    async def slow() -> AsyncIterator[bytes]:
        yield bytes(MIB)
        under_way.set()
        await go_on.wait()
        yield bytes(MIB)

    await api.begin(half, 5)
    await api.append(half, 0, b"hello")
    upload = asyncio.create_task(api.put(large, slow()))
    await under_way.wait()
    assert (await change(api, "ro")).status_code == 200
    go_on.set()
    answer = await upload
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "MODE_NOT_ALLOWED")
    assert (await api.complete(half)).status_code == 409
    assert (await api.client.get("/api/v1/files")).json()["total"] == 0
    assert (await change(api, "rw", confirm=True)).status_code == 200
    assert (await api.complete(half)).status_code == 201  # it was kept, and goes on
    assert api.files() == [f"{half}.attr.json", f"{half}.data"]


async def test_nothing_is_acknowledged_under_the_old_mode_once_the_new_one_was(make: Any) -> None:
    api = await start_in(make, Mode.RW)
    done, acknowledged_late = False, list[UUID]()

    async def write() -> None:
        while True:
            began_after, file_id = done, uuid4()
            answer = await api.put(file_id, b"x")
            if answer.status_code == 409:
                return
            assert answer.status_code == 201
            if began_after:
                acknowledged_late.append(file_id)

    writers = [asyncio.create_task(write()) for _ in range(8)]
    await asyncio.sleep(0)
    assert (await change(api, "ro")).status_code == 200
    done = True
    await asyncio.gather(*writers)
    assert acknowledged_late == []


async def test_one_of_many_same_transitions_at_once_is_made(make: Any) -> None:
    api = await start_in(make, Mode.RW)
    answers = await asyncio.gather(*(change(api, "ro") for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 4


async def test_transition_that_cannot_be_logged_is_not_made(make: Any) -> None:
    filesystem = FailingFileSystem()
    (make.root / "mode.json").write_text('{"mode": "rw"}')
    api = await make.start(filesystem=filesystem)
    filesystem.fail(on=["write"], error=28)
    assert (await change(api, "ro")).status_code == 507
    assert await mode_of(api) == "rw"
    assert (await api.put(uuid4(), b"x")).status_code == 201


@pytest.mark.parametrize(
    "body", [{}, {"target_mode": "x"}, {"target_mode": "ro", "confirm": "maybe"}, {"target": "ro"}]
)
async def test_bad_request_changes_nothing(make: Any, body: dict[str, Any]) -> None:
    api = await start_in(make, Mode.RW)
    answer = await api.client.post("/api/v1/mode/transition", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert await mode_of(api) == "rw"
