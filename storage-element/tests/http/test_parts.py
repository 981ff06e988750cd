"""Signed parts: any order, beside each other, sent again, sealed and completed; and every way to be refused."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from artstore_core.modes import Mode
from artstore_tickets import UploadSubject

PART = 100_000
CONTENT = Random(7).randbytes(3 * PART + 12_345)
PARTS = [CONTENT[offset : offset + PART] for offset in range(0, len(CONTENT), PART)]
LIMIT = 3600.0


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


SHA256S = [sha256(part) for part in PARTS]


class Parts:
    """A client with tickets."""

    def __init__(self, api: Any) -> None:
        self.api, self.id = api, uuid4()

    async def begin(self, size: int = len(CONTENT), part_size: int = PART) -> httpx.Response:
        return await self.ask("POST", "", json={"size": size, "part_size": part_size})

    def ticket(self, number: int, method: str = "PUT", upload_id: UUID | None = None, **claims: Any) -> str:
        text: str = self.api.tickets.issue(UploadSubject(upload_id or self.id, number), [method], **claims)
        return text

    async def put(self, number: int, data: Any = None, ticket: str | None = None, **headers: str) -> httpx.Response:
        return await self.ask(
            "PUT",
            f"/parts/{number}",
            content=PARTS[number - 1] if data is None else data,
            params={"ticket": self.ticket(number) if ticket is None else ticket},
            headers={"Authorization": ""} | {name.replace("_", "-"): text for name, text in headers.items()},
        )

    async def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        answer: httpx.Response = await self.api.client.request(method, f"/api/v1/uploads/{self.id}{path}", **given)
        return answer

    async def seal(self, sha256s: list[str] | None = None, whole: str | None = None) -> httpx.Response:
        body: dict[str, Any] = {"parts": SHA256S if sha256s is None else sha256s}
        return await self.ask("POST", "/seal", json=body | ({} if whole is None else {"sha256": whole}))

    async def there(self) -> list[int]:
        return [part["number"] for part in (await self.ask("GET", "/parts")).json()["parts"]]

    async def state(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.ask("GET", "/state")).json()
        return found


@pytest.fixture
async def parts(api: Any) -> Parts:
    made = Parts(api)
    assert (await made.begin()).status_code == 201
    return made


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_any_order_and_at_once(parts: Parts) -> None:
    answers = await asyncio.gather(*(parts.put(number) for number in (4, 2, 1, 3)))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert answers[1].headers["etag"] == f'"{SHA256S[1]}"' == answers[1].json()["etag"]
    assert answers[1].json() | {"etag": ""} == {"part_number": 2, "size": PART, "etag": ""}
    state = await parts.state()
    assert (state["offset"], state["part_size"], state["busy"]) == (len(CONTENT), PART, False)
    assert (await parts.seal(whole=sha256(CONTENT))).status_code == 200
    done = await parts.api.complete(parts.id, size=len(CONTENT))
    assert (done.status_code, done.json()["checksum"]) == (201, sha256(CONTENT))
    assert (await parts.api.download(parts.id)).content == CONTENT
    assert parts.api.files() == [f"{parts.id}.attr.json", f"{parts.id}.data"]


async def test_part_that_is_sent_again_takes_the_place_of_the_first(parts: Parts) -> None:
    for number in (1, 2, 3, 4):
        await parts.put(number)
    other = PARTS[1][::-1]
    assert (await parts.put(2, other)).headers["etag"] == f'"{sha256(other)}"'
    assert code(await parts.seal()) == (400, "CHECKSUM_MISMATCH")
    assert (await parts.put(2)).status_code == 200
    assert (await parts.seal(whole=sha256(CONTENT))).status_code == 200
    assert (await parts.api.complete(parts.id)).json()["checksum"] == sha256(CONTENT)


async def test_what_was_received_is_there_after_a_restart(parts: Parts, make: Any) -> None:
    for number in (3, 1):
        await parts.put(number)
    await make.stop()
    parts.api = await make.start()
    assert (await parts.state())["offset"] == 2 * PART
    assert await parts.there() == [1, 3]
    for number in (4, 2):
        await parts.put(number)
    assert (await parts.seal(whole=sha256(CONTENT))).status_code == 200
    await make.stop()
    parts.api = await make.start()
    assert code(await parts.put(1)) == (409, "CONFLICT")  # sealed, and that is remembered
    assert (await parts.api.complete(parts.id)).json()["checksum"] == sha256(CONTENT)


async def test_bytes_that_rotted_are_asked_for_again(parts: Parts, make: Any, root: Path) -> None:
    for number in (1, 2, 3, 4):
        await parts.put(number)
    await make.stop()
    with (root / "staging" / f"{parts.id}.part").open("r+b") as file:
        file.seek(PART + 5)
        file.write(b"rot")
    parts.api = await make.start()
    answer = await parts.seal()
    assert (*code(answer), answer.json()["error"]["details"]) == (409, "CONFLICT", {"parts": "missing: 2"})
    assert await parts.there() == [1, 3, 4]
    await parts.put(2)
    assert (await parts.seal(whole=sha256(CONTENT))).status_code == 200


async def test_entry_that_cannot_be_read_is_none(parts: Parts, make: Any, root: Path) -> None:
    await parts.put(1)
    await parts.put(2)
    await make.stop()
    with (root / "staging" / f"{parts.id}.parts").open("r+b") as file:
        file.seek(64 + 20)
        file.write(b"torn")
    parts.api = await make.start()
    assert await parts.there() == [1]


async def test_upload_that_is_not_whole_is_not_sealed(parts: Parts) -> None:
    for number in (1, 2, 4):
        await parts.put(number)
    answer = await parts.seal()
    assert (*code(answer), answer.json()["error"]["details"]) == (409, "CONFLICT", {"parts": "missing: 3"})
    await parts.put(3)
    assert code(await parts.seal(SHA256S[:3])) == (400, "VALIDATION_ERROR")
    assert code(await parts.seal(SHA256S[::-1])) == (400, "CHECKSUM_MISMATCH")
    assert code(await parts.seal(whole=sha256(b"other"))) == (400, "CHECKSUM_MISMATCH")
    assert code(await parts.api.complete(parts.id)) == (409, "CONFLICT")
    assert (await parts.ask("GET", "")).status_code == 409  # nobody may look at what may change yet
    assert (await parts.put(3)).status_code == 200
    assert (await parts.seal()).status_code == 200
    assert (await parts.seal()).status_code == 200
    assert (await parts.ask("GET", "")).content == CONTENT


async def test_without_a_ticket_for_it_no_part_comes_in(parts: Parts) -> None:
    refused = {
        "none": (parts.ask("PUT", "/parts/1", content=PARTS[0]), 401),  # its client has a token with every scope
        "forged": (parts.put(1, ticket=parts.ticket(1)[:-2] + "AA"), 401),
        "another part's": (parts.put(1, ticket=parts.ticket(2)), 403),
        "another upload's": (parts.put(1, ticket=parts.ticket(1, upload_id=uuid4())), 403),
        "for reading": (parts.put(1, ticket=parts.ticket(1, "GET")), 403),
        "longer than any": (parts.put(1, ticket="A" * 5000), 400),
    }
    for name, (asked, status) in refused.items():
        assert (await asked).status_code == status, name
    late = parts.ticket(1)
    parts.api.clock.advance(timedelta(minutes=11))
    assert (await parts.put(1, ticket=late)).status_code == 401
    assert await parts.there() == []


async def test_ticket_binds_length_and_digest(parts: Parts) -> None:
    right = parts.ticket(1, length=PART, digest=SHA256S[0])
    assert code(await parts.put(1, PARTS[1], ticket=right)) == (400, "CHECKSUM_MISMATCH")
    assert code(await parts.put(1, ticket=parts.ticket(1, length=PART - 1))) == (400, "VALIDATION_ERROR")
    assert await parts.there() == []
    digest = base64.b64encode(bytes.fromhex(SHA256S[1])).decode()
    assert code(await parts.put(1, ticket=right, Content_Digest=f"sha-256=:{digest}:")) == (400, "CHECKSUM_MISMATCH")
    assert (await parts.put(1, ticket=right)).status_code == 200
    assert (await parts.put(2, Repr_Digest=f"sha-256=:{digest}:")).status_code == 200


async def test_length_must_be_the_parts(parts: Parts) -> None:
    async def chunked() -> AsyncIterator[bytes]:
        yield PARTS[0]

    for data in (PARTS[0] + b"x", PARTS[0][:-1], b"", chunked()):
        answer = await parts.put(1, data)
        assert code(answer) == (400, "VALIDATION_ERROR")
    assert code(await parts.put(4, PARTS[0])) == (400, "VALIDATION_ERROR")
    for number in (0, 5):
        assert code(await parts.put(number, PARTS[0], ticket=parts.ticket(number))) == (400, "VALIDATION_ERROR")
    assert code(await parts.put(1, Content_Encoding="gzip")) == (400, "VALIDATION_ERROR")
    assert await parts.there() == []


async def test_part_that_breaks_off_is_not_there(parts: Parts) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield PARTS[0][:5000]
        raise ConnectionResetError

    await parts.put(1)
    assert (await parts.put(1, broken(), Content_Length=str(PART))).status_code == 500
    assert await parts.there() == []  # what was there is overwritten, and told so
    assert (await parts.put(1)).status_code == 200


async def test_part_that_drips_is_ended(make: Any) -> None:
    parts = Parts(await make.start(part_seconds=0.3))
    await parts.begin()

    async def dripping() -> AsyncIterator[bytes]:
        yield PARTS[0][:5000]
        await asyncio.Event().wait()

    answer = await asyncio.wait_for(parts.put(1, dripping(), Content_Length=str(PART)), 60)
    assert (*code(answer), answer.headers["connection"]) == (400, "VALIDATION_ERROR", "close")
    assert await parts.there() == []


async def test_while_a_part_comes_nobody_else_brings_it_and_nothing_is_sealed(parts: Parts) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield PARTS[0][:5000]
        begun.set()
        await go_on.wait()
        yield PARTS[0][5000:]

    first = asyncio.create_task(parts.put(1, slow(), Content_Length=str(PART)))
    await asyncio.wait_for(begun.wait(), 60)
    assert (await parts.state())["busy"] is True
    for asked in (parts.put(1), parts.seal(), parts.ask("DELETE", "")):
        answer = await asked
        assert code(answer) == (409, "CONFLICT")
        assert answer.headers["retry-after"] == "1"
    assert (await parts.put(2)).status_code == 200
    go_on.set()
    assert (await first).status_code == 200


async def test_abort_and_expiry_leave_nothing(make: Any) -> None:
    api = await make.start(capacity_bytes=len(CONTENT), staging_seconds=LIMIT)
    for ended in ("aborted", "expired"):
        parts = Parts(api)
        assert (await parts.begin()).status_code == 201
        assert (await parts.put(2)).status_code == 200
        assert (await Parts(api).begin()).status_code == 507
        if ended == "aborted":
            assert [(await parts.ask("DELETE", "")).status_code for _ in range(2)] == [204, 204]
        else:
            api.clock.advance(timedelta(seconds=LIMIT + 60))
            await api.app.state.sweep.once()
        assert api.files() == []
        assert (await parts.put(2)).status_code == 404


async def test_appends_and_parts_do_not_mix(parts: Parts) -> None:
    assert code(await parts.api.append(parts.id, 0, b"x")) == (409, "CONFLICT")
    joining = await parts.api.client.post(f"/api/v1/uploads/{parts.id}/concatenate", json={"parts": [str(uuid4())]})
    assert code(joining) == (409, "CONFLICT")
    plain = Parts(parts.api)
    await parts.api.begin(plain.id, len(CONTENT))
    for asked in (plain.put(1), plain.seal(), plain.ask("GET", "/parts")):
        assert code(await asked) == (409, "CONFLICT")
    assert code(await plain.begin()) == (409, "CONFLICT")


async def test_what_cannot_be_parts_is_refused(api: Any) -> None:
    for body in ({"part_size": 5}, {"size": 10, "part_size": 0}, {"size": 10**9, "part_size": 10}):
        answer = await api.client.post(f"/api/v1/uploads/{uuid4()}", json=body)
        assert code(answer) == (400, "VALIDATION_ERROR")
    assert api.files() == []


async def test_nothing_in_no_parts(api: Any) -> None:
    parts = Parts(api)
    assert (await parts.begin(0)).status_code == 201
    assert code(await parts.api.complete(parts.id)) == (409, "CONFLICT")
    assert (await parts.seal([], sha256(b""))).status_code == 200
    assert (await parts.api.complete(parts.id)).json()["size"] == 0


async def test_mode_that_takes_no_uploads(make: Any) -> None:
    (make.root / "mode.json").write_text(json.dumps({"mode": Mode.RW}))
    parts = Parts(await make.start())
    await parts.begin()
    change = {"target_mode": Mode.RO, "confirm": True}
    assert (await parts.api.client.post("/api/v1/mode/transition", json=change)).status_code == 200
    assert code(await parts.put(1)) == (409, "MODE_NOT_ALLOWED")
    assert code(await parts.seal()) == (409, "MODE_NOT_ALLOWED")
