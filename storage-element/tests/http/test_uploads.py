"""Staging: one verb after another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest
from element_slow_body import SlowBody
from starlette.requests import ClientDisconnect

MIB = 1024 * 1024
DATA = bytes(range(256)) * 12_000  # 3 MB


async def test_upload_in_parts_makes_the_file(api: Any) -> None:
    upload_id = uuid4()
    begun = await api.begin(upload_id, len(DATA))
    assert (begun.status_code, begun.json()) == (201, {"upload_id": str(upload_id), "offset": 0, "size": len(DATA)})
    first = await api.append(upload_id, 0, DATA[:1_000_000])
    assert (first.status_code, first.headers["upload-offset"]) == (204, "1000000")
    head = await api.client.head(f"/api/v1/uploads/{upload_id}")
    assert (head.status_code, head.headers["upload-offset"], head.headers["upload-length"]) == (
        200,
        "1000000",
        str(len(DATA)),
    )
    await api.append(upload_id, 1_000_000, DATA[1_000_000:])
    made = await api.complete(upload_id, size=len(DATA), sha256=sha256(DATA).hexdigest())
    assert (made.status_code, made.json()["file_id"], made.json()["size"]) == (201, str(upload_id), len(DATA))
    assert (await api.download(upload_id)).content == DATA
    assert api.files() == [f"{upload_id}.attr.json", f"{upload_id}.data"]
    assert (await api.client.head(f"/api/v1/uploads/{upload_id}")).status_code == 404


async def test_upload_goes_on_after_a_restart(make: Any) -> None:
    api = await make.start()
    upload_id = uuid4()
    await api.begin(upload_id, len(DATA))
    await api.append(upload_id, 0, DATA[:500_000])
    await make.stop()
    api = await make.start()
    assert (await api.client.head(f"/api/v1/uploads/{upload_id}")).headers["upload-offset"] == "500000"
    assert (await api.append(upload_id, 500_000, DATA[500_000:])).status_code == 204
    made = await api.complete(upload_id, sha256=sha256(DATA).hexdigest())  # hashed anew: the running hash is lost
    assert made.status_code == 201
    assert (await api.download(upload_id)).content == DATA


async def test_begin_and_complete_once_more_for_an_answer_that_was_lost(api: Any) -> None:
    upload_id = uuid4()
    await api.begin(upload_id, 5)
    await api.append(upload_id, 0, b"hel")
    again = await api.begin(upload_id, 5)
    assert (again.status_code, again.json()["offset"]) == (200, 3)
    assert (await api.begin(upload_id, 6)).status_code == 409
    await api.append(upload_id, 3, b"lo")
    first, second = await api.complete(upload_id), await api.complete(upload_id)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert (await api.complete(upload_id, sha256="0" * 64)).status_code == 409
    assert (await api.begin(upload_id, 5)).status_code == 409


async def test_wrong_offset_is_refused_with_the_right_one(api: Any) -> None:
    upload_id = uuid4()
    await api.begin(upload_id, 10)
    await api.append(upload_id, 0, b"hello")
    for offset in (0, 4, 6):
        answer = await api.append(upload_id, offset, b"x")
        assert (answer.status_code, answer.headers["upload-offset"]) == (409, "5")
    assert (await api.client.patch(f"/api/v1/uploads/{upload_id}", content=b"x")).status_code == 400


async def test_more_than_was_reserved_is_refused_and_nothing_of_it_stays(api: Any) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield bytes(MIB)

    upload_id = uuid4()
    await api.begin(upload_id, 2 * MIB)
    await api.append(upload_id, 0, b"hello")
    for body in (bytes(2 * MIB), chunks()):
        answer = await api.append(upload_id, 5, body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "FILE_TOO_LARGE")
        assert (await api.client.head(f"/api/v1/uploads/{upload_id}")).headers["upload-offset"] == "5"
    made = await api.complete(upload_id, sha256=sha256(b"hello").hexdigest())
    assert made.status_code == 201


async def test_limits_of_one_request_and_of_the_file(make: Any) -> None:
    api = await make.start(max_upload_bytes=MIB, max_file_bytes=2 * MIB)
    assert (await api.begin(uuid4(), 2 * MIB + 1)).status_code == 413
    upload_id = uuid4()
    await api.begin(upload_id)
    assert (await api.append(upload_id, 0, bytes(MIB + 1))).status_code == 413
    assert (await api.append(upload_id, 0, bytes(MIB))).status_code == 204
    assert (await api.append(upload_id, MIB, bytes(MIB))).status_code == 204
    assert (await api.append(upload_id, 2 * MIB, b"x")).status_code == 413


async def test_reserved_room_is_nobody_elses_until_it_is_given_back(make: Any) -> None:
    api = await make.start(capacity_bytes=10)
    upload_id = uuid4()
    assert (await api.begin(upload_id, 8)).status_code == 201
    assert (await api.begin(uuid4(), 3)).status_code == 507
    assert (await api.put(uuid4(), b"abc")).status_code == 507
    assert (await api.client.get("/api/v1/info")).json()["available_bytes"] == 2
    assert (await api.client.delete(f"/api/v1/uploads/{upload_id}")).status_code == 204
    assert (await api.put(uuid4(), b"abc")).status_code == 201


async def test_upload_of_unknown_size_stops_where_the_room_ends(make: Any) -> None:
    api = await make.start(capacity_bytes=2 * MIB)
    upload_id = uuid4()
    await api.begin(upload_id)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield bytes(MIB)

    assert (await api.append(upload_id, 0, chunks())).status_code == 507
    assert (await api.append(upload_id, 0, bytes(3 * MIB))).status_code == 507
    assert (await api.append(upload_id, 0, bytes(2 * MIB))).status_code == 204


async def test_wrong_checksum_ends_the_upload(api: Any) -> None:
    upload_id = uuid4()
    await api.begin(upload_id, 5)
    await api.append(upload_id, 0, b"hello")
    answer = await api.complete(upload_id, sha256="0" * 64)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "CHECKSUM_MISMATCH")
    assert api.files() == []
    assert (await api.client.head(f"/api/v1/uploads/{upload_id}")).status_code == 404


async def test_incomplete_upload_cannot_be_completed_and_can_go_on(api: Any) -> None:
    upload_id = uuid4()
    await api.begin(upload_id, 5)
    await api.append(upload_id, 0, b"hel")
    answer = await api.complete(upload_id, size=5)
    assert (answer.status_code, answer.headers["upload-offset"]) == (409, "3")
    await api.append(upload_id, 3, b"lo")
    assert (await api.complete(upload_id, size=5)).status_code == 201


async def test_bad_metadata_leaves_the_upload_as_it_is(api: Any) -> None:
    upload_id = uuid4()
    await api.begin(upload_id, 5)
    await api.append(upload_id, 0, b"hello")
    for metadata in ({"content_type": "x"}, {"ttl_days": 5}, {"surprise": 1}):
        assert (await api.complete(upload_id, metadata)).status_code == 400
    assert (await api.complete(upload_id)).status_code == 201


async def test_abort_is_done_once_or_twice(api: Any) -> None:
    upload_id = uuid4()
    await api.begin(upload_id, 5)
    await api.append(upload_id, 0, b"hello")
    for _ in range(2):
        assert (await api.client.delete(f"/api/v1/uploads/{upload_id}")).status_code == 204
    assert api.files() == []
    assert (await api.complete(upload_id)).status_code == 404
    assert (await api.append(upload_id, 0, b"x")).status_code == 404


async def test_one_request_at_a_time_writes_to_an_upload(api: Any) -> None:
    upload_id, body = uuid4(), SlowBody()
    await api.begin(upload_id, 2 * MIB)
    first = asyncio.create_task(api.append(upload_id, 0, body.pieces()))
    await body.under_way.wait()
    for answer in (
        await api.append(upload_id, 0, b"x"),
        await api.complete(upload_id),
        await api.client.delete(f"/api/v1/uploads/{upload_id}"),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")
    body.go_on.set()
    assert (await first).status_code == 204
    assert (await api.complete(upload_id, size=2 * MIB)).status_code == 201


async def test_what_came_before_the_line_broke_stays_and_can_be_gone_on_from(api: Any) -> None:
    upload_id = uuid4()
    await api.begin(upload_id, 2 * MIB)

    async def breaks() -> AsyncIterator[bytes]:
        yield DATA[:MIB]
        yield DATA[MIB : MIB + 100]
        raise ClientDisconnect

    with pytest.raises(Exception):  # noqa: B017  the transport's own way of passing it on
        await api.append(upload_id, 0, breaks())
    offset = int((await api.client.head(f"/api/v1/uploads/{upload_id}")).headers["upload-offset"])
    assert offset == MIB
    await api.append(upload_id, offset, DATA[offset : 2 * MIB])
    made = await api.complete(upload_id, sha256=sha256(DATA[: 2 * MIB]).hexdigest())
    assert made.status_code == 201


async def test_large_json_is_refused(api: Any) -> None:
    answer = await api.client.post(
        f"/api/v1/uploads/{uuid4()}",
        content=b'{"size": ' + b" " * (2 * MIB) + b"1}",
        headers={"Content-Type": "application/json"},
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "FILE_TOO_LARGE")


async def test_empty_file_can_be_staged(api: Any) -> None:
    upload_id = uuid4()
    await api.begin(upload_id, 0)
    assert (await api.complete(upload_id)).json()["size"] == 0
    assert (await api.download(upload_id)).content == b""
