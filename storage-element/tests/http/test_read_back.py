"""What an unfinished upload holds can be read: to look at its type, to scan it, to check it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

MIB = 1024 * 1024
DATA = bytes(range(256)) * 8192  # 2 MiB


async def filled(api: Any, data: bytes) -> UUID:
    upload_id = uuid4()
    await api.begin(upload_id, 4 * MIB)
    await api.append(upload_id, 0, data)
    return upload_id


async def get(api: Any, upload_id: UUID, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await api.client.get(f"/api/v1/uploads/{upload_id}", headers=named)


async def test_all_that_is_there(api: Any) -> None:
    upload_id = await filled(api, DATA)
    answer = await get(api, upload_id)
    assert (answer.status_code, answer.content) == (200, DATA)
    expected = {
        "content-type": "application/octet-stream",
        "content-length": str(len(DATA)),
        "upload-offset": str(len(DATA)),
        "cache-control": "no-store",
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
    }
    assert {name: answer.headers[name] for name in expected} == expected
    await api.append(upload_id, len(DATA), b"more")
    assert (await get(api, upload_id)).content == DATA + b"more"


async def test_a_range_of_it(api: Any) -> None:
    upload_id = await filled(api, DATA)
    for asked, start, stop in (
        ("bytes=0-15", 0, 16),
        ("bytes=1000000-1200000", 1_000_000, 1_200_001),
        ("bytes=-5", len(DATA) - 5, len(DATA)),
        ("bytes=2097151-", len(DATA) - 1, len(DATA)),
        ("bytes=0-99999999", 0, len(DATA)),
    ):
        answer = await get(api, upload_id, range=asked)
        assert (answer.status_code, answer.content) == (206, DATA[start:stop])
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(DATA)}"
        assert answer.headers["upload-offset"] == str(len(DATA))


async def test_a_range_outside_is_416_and_what_is_none_is_ignored(api: Any) -> None:
    upload_id = await filled(api, b"hello")
    answer = await get(api, upload_id, range="bytes=5-")
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */5")
    assert answer.json()["error"]["code"] == "INVALID_RANGE"
    for asked in ("lines=1-2", "bytes=3-1", "bytes=0-1,3-4", "bytes=x"):
        assert (await get(api, upload_id, range=asked)).status_code == 200
    whole = await get(api, upload_id, range="bytes=0-1", if_range='"anything"')
    assert (whole.status_code, whole.content) == (200, b"hello")


async def test_empty_upload(api: Any) -> None:
    upload_id = uuid4()
    await api.begin(upload_id)
    answer = await get(api, upload_id)
    assert (answer.status_code, answer.content, answer.headers["upload-offset"]) == (200, b"", "0")
    assert (await get(api, upload_id, range="bytes=0-")).status_code == 416


async def test_unknown_aborted_and_completed_uploads_are_404(api: Any) -> None:
    assert (await get(api, uuid4())).status_code == 404
    aborted, completed = await filled(api, b"x"), await filled(api, b"y")
    await api.client.delete(f"/api/v1/uploads/{aborted}")
    assert (await api.complete(completed)).status_code == 201
    for upload_id in (aborted, completed):
        assert (await get(api, upload_id)).status_code == 404


async def test_what_may_still_be_taken_back_is_not_given_out(api: Any) -> None:
    upload_id, under_way, go_on = await filled(api, b"hello"), asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield bytes(MIB)
        under_way.set()
        await go_on.wait()

    append = asyncio.create_task(api.append(upload_id, 5, slow()))
    await under_way.wait()
    answer = await get(api, upload_id)
    assert (answer.status_code, answer.headers["retry-after"]) == (409, "1")
    go_on.set()
    await append
    assert len((await get(api, upload_id)).content) == 5 + MIB


async def test_many_read_at_once_and_none_holds_up_an_append(api: Any) -> None:
    upload_id = await filled(api, DATA)
    answers = await asyncio.gather(*(get(api, upload_id, range=f"bytes={n * 100}-{n * 100 + 99}") for n in range(64)))
    assert [answer.content for answer in answers] == [DATA[n * 100 : n * 100 + 100] for n in range(64)]
    async with api.client.stream("GET", f"/api/v1/uploads/{upload_id}") as answer:
        assert (await api.append(upload_id, len(DATA), b"x")).status_code == 204
        assert await answer.aread() == DATA
