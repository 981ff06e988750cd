"""What an upload was begun with is kept and told again; and who may write when two want to."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from starlette.requests import ClientDisconnect

CONTEXT = {"owner": "sa:sa_1", "metadata": "filename 0L4=", "deep": {"list": [1, None, "ю"]}}


async def begin(api: Any, upload_id: Any, **body: Any) -> Any:
    return await api.client.post(f"/api/v1/uploads/{upload_id}", json=body)


async def state(api: Any, upload_id: Any) -> dict[str, Any]:
    answer = await api.client.get(f"/api/v1/uploads/{upload_id}/state")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def patch(api: Any, upload_id: Any, offset: int, content: Any, checksum: str | None = None) -> Any:
    headers = {"Upload-Offset": str(offset)} | ({} if checksum is None else {"Upload-Checksum": checksum})
    return await api.client.patch(f"/api/v1/uploads/{upload_id}", content=content, headers=headers)


def said(algorithm: str, content: bytes) -> str:
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, content).digest()).decode()}"


async def test_the_context_outlives_appends_and_a_restart(make: Any) -> None:
    api = await make.start(staging_seconds=100.0)
    upload_id = uuid4()
    assert (await begin(api, upload_id, size=10, context=CONTEXT)).status_code == 201
    assert (await begin(api, upload_id, size=10, context=CONTEXT)).status_code == 200
    assert (await begin(api, upload_id, size=10, context={})).status_code == 409
    await patch(api, upload_id, 0, b"hello")
    await make.stop()
    api = await make.start(staging_seconds=100.0)
    found = await state(api, upload_id)
    assert (found["context"], found["offset"], found["size"], found["busy"]) == (CONTEXT, 5, 10, False)
    assert (found["lasts_seconds"], found["file"]) == (100.0, None)
    assert found["expires_at"] is not None
    await patch(api, upload_id, 5, b"world")
    made = await api.complete(upload_id)
    found = await state(api, upload_id)
    assert (found["file"], found["context"], found["offset"]) == (made.json(), None, 10)
    assert (await api.client.get(f"/api/v1/uploads/{uuid4()}/state")).status_code == 404


async def test_a_context_is_bounded(api: Any) -> None:
    assert (await begin(api, uuid4(), context={"a": "x" * 100_000})).status_code == 400
    assert api.files() == []


async def test_a_size_that_is_told_later_reserves_room(make: Any) -> None:
    api = await make.start(capacity_bytes=100)
    upload_id = uuid4()
    await begin(api, upload_id, context=CONTEXT)
    await patch(api, upload_id, 0, b"hello")
    assert (await begin(api, upload_id, size=4)).status_code == 409
    assert (await begin(api, upload_id, size=101)).status_code == 507
    assert (await begin(api, upload_id, size=60)).json()["offset"] == 5
    assert (await begin(api, upload_id, size=61)).status_code == 409
    assert (await begin(api, uuid4(), size=41)).status_code == 507
    found = await state(api, upload_id)
    assert (found["size"], found["context"]) == (60, CONTEXT)
    assert (await patch(api, upload_id, 5, bytes(56))).status_code == 413


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
@pytest.mark.parametrize("before", [b"", b"first"])
async def test_checksums_of_a_body(api: Any, algorithm: str, before: bytes) -> None:
    upload_id = uuid4()
    await api.begin(upload_id, 20)
    await patch(api, upload_id, 0, before)
    wrong = await patch(api, upload_id, len(before), b"hello", said(algorithm, b"hullo"))
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "CHECKSUM_MISMATCH")
    right = await patch(api, upload_id, len(before), b"hello", said(algorithm, b"hello"))
    assert right.headers["upload-offset"] == str(len(before) + 5)
    for nonsense in ("crc32 AAAA", "sha1 AAAA", "sha1", "sha1 !"):
        assert (await patch(api, upload_id, len(before) + 5, b"x", nonsense)).status_code == 400


async def test_of_a_body_with_a_checksum_that_breaks_off_nothing_stays(api: Any) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield bytes(3 * 1024 * 1024)
        raise ClientDisconnect

    upload_id = uuid4()
    await api.begin(upload_id, 2**23)
    with pytest.raises(Exception):  # noqa: B017  the transport's own way of passing it on
        await patch(api, upload_id, 0, broken(), said("sha1", b"x"))
    assert (await state(api, upload_id))["offset"] == 0


async def test_a_silent_body_makes_way_and_what_came_of_it_is_kept(api: Any) -> None:
    upload_id, began, over = uuid4(), asyncio.Event(), asyncio.Event()

    async def falls_silent() -> AsyncIterator[bytes]:
        yield b"hello"
        began.set()
        await over.wait()

    await api.begin(upload_id, 10)
    first = asyncio.create_task(patch(api, upload_id, 0, falls_silent()))
    await began.wait()
    assert (await patch(api, upload_id, 5, b"world")).status_code == 409  # it may still be alive
    for _ in range(40):
        if not (found := await state(api, upload_id))["busy"]:
            break
        await asyncio.sleep(0.5)
    assert (found["offset"], found["busy"]) == (5, False)
    assert (await patch(api, upload_id, 5, b"world")).status_code == 204
    over.set()
    assert (await first).headers["upload-offset"] == "5"
    assert (await api.complete(upload_id, sha256=hashlib.sha256(b"helloworld").hexdigest())).status_code == 201


async def test_deleting_tells_the_revision_and_for_whom(make: Any) -> None:
    api = await make.start(mode="edit")
    file_id = uuid4()
    await api.put(file_id, b"x")
    answer = await api.client.delete(f"/api/v1/files/{file_id}", headers={"Artstore-Subject": "user:anna"})
    assert (answer.status_code, answer.headers["etag"]) == (204, '"2"')
    assert (await state(api, file_id))["file"]["status"] == "deleted"
    bad = await api.client.delete(f"/api/v1/files/{file_id}", headers={"Artstore-Subject": "a b"})
    assert bad.status_code == 400
