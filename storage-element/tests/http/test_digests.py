"""Digest fields (RFC 9530): checked on the way in, offered on the way out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest
from artstore_transfer import format_digest

MIB = 1024 * 1024


def digest(data: bytes) -> str:
    return format_digest(sha256(data).hexdigest())


RIGHT, WRONG = digest(b"hello"), digest(b"hullo")


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"Content-Digest": RIGHT}, 201),
        ({"Content-Digest": RIGHT, "Repr-Digest": RIGHT}, 201),
        ({"Content-Digest": "sha-512=:AAAA:", "Repr-Digest": RIGHT}, 201),
        ({"Content-Digest": WRONG}, 400),
        ({"Content-Digest": WRONG, "Repr-Digest": WRONG}, 400),
        ({"Content-Digest": RIGHT, "Repr-Digest": WRONG}, 400),
        ({"Content-Digest": WRONG, "Repr-Digest": RIGHT}, 400),
    ],
)
async def test_digests_of_a_put(api: Any, fields: dict[str, str], status: int) -> None:
    answer = await api.put(uuid4(), b"hello", fields)
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["error"]["code"] == "CHECKSUM_MISMATCH"
        assert api.files() == []


async def test_digest_that_cannot_be_read_is_named(api: Any) -> None:
    upload_id = uuid4()
    await api.begin(upload_id)
    for answer in (
        await api.put(uuid4(), b"hello", {"Content-Digest": "nonsense"}),
        await append(api, upload_id, 0, b"hello", "nonsense"),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
        assert "Content-Digest" in answer.json()["error"]["details"]


async def append(api: Any, upload_id: Any, offset: int, data: Any, field: str) -> Any:
    headers = {"Upload-Offset": str(offset), "Content-Digest": field}
    return await api.client.patch(f"/api/v1/uploads/{upload_id}", content=data, headers=headers)


async def test_digest_of_an_append_is_of_its_own_body(api: Any) -> None:
    upload_id, first, second = uuid4(), bytes(MIB) + b"first", b"second" * 300_000
    await api.begin(upload_id)
    assert (await append(api, upload_id, 0, first, digest(first))).status_code == 204
    assert (await append(api, upload_id, len(first), second, digest(second))).status_code == 204
    made = await api.complete(upload_id, sha256=sha256(first + second).hexdigest())
    assert made.status_code == 201


@pytest.mark.parametrize("before", [b"", b"before"])
async def test_append_with_a_wrong_digest_is_taken_back(make: Any, before: bytes) -> None:
    api = await make.start(capacity_bytes=8 * MIB)
    upload_id, data, at = uuid4(), b"x" * (2 * MIB), len(before)
    await api.begin(upload_id)
    await api.append(upload_id, 0, before)
    for field in (digest(before + data), WRONG) if before else (WRONG,):
        answer = await append(api, upload_id, at, data, field)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "CHECKSUM_MISMATCH")
        assert (await api.client.get(f"/api/v1/uploads/{upload_id}")).content == before
    assert (await api.client.get("/api/v1/info")).json()["used_bytes"] == at
    assert (await append(api, upload_id, at, data, digest(data))).status_code == 204
    assert (await api.complete(upload_id, sha256=sha256(before + data).hexdigest())).status_code == 201


async def test_append_after_a_restart_is_checked_though_the_running_hash_is_lost(make: Any) -> None:
    api = await make.start()
    upload_id = uuid4()
    await api.begin(upload_id)
    await api.append(upload_id, 0, b"hel")
    await make.stop()
    api = await make.start()
    assert (await append(api, upload_id, 3, b"lo", RIGHT)).status_code == 400
    assert (await append(api, upload_id, 3, b"lo", digest(b"lo"))).status_code == 204
    assert (await api.complete(upload_id, sha256=sha256(b"hello").hexdigest())).status_code == 201


async def test_empty_append_has_a_digest_too(api: Any) -> None:
    upload_id = uuid4()
    await api.begin(upload_id)
    assert (await append(api, upload_id, 0, b"", digest(b""))).status_code == 204
    assert (await append(api, upload_id, 0, b"hello", RIGHT)).status_code == 204
    assert (await append(api, upload_id, 5, b"", digest(b""))).status_code == 204
    assert (await append(api, upload_id, 5, b"", RIGHT)).status_code == 400


async def test_downloads_offer_the_digest_of_what_goes_out(api: Any) -> None:
    file_id = uuid4()
    await api.put(file_id, b"hello")
    whole = await api.download(file_id)
    assert (whole.headers["content-digest"], whole.headers["repr-digest"]) == (RIGHT, RIGHT)
    part = await api.download(file_id, {"Range": "bytes=1-2"})
    assert (part.status_code, part.headers["repr-digest"]) == (206, RIGHT)
    assert "content-digest" not in part.headers


async def test_digest_of_a_slow_body_is_checked_at_its_end(api: Any) -> None:
    upload_id, go_on = uuid4(), asyncio.Event()
    await api.begin(upload_id)

    async def slow() -> AsyncIterator[bytes]:
        yield b"hel"
        await go_on.wait()
        yield b"lo"

    sending = asyncio.create_task(append(api, upload_id, 0, slow(), RIGHT))
    go_on.set()
    assert (await sending).status_code == 204
