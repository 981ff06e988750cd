"""Quotas: asked before anything is stored, exact under uploads side by side, given back when an upload fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from ingester_support import BOUNDARY, MIB, Ingester, body, file_part, until


async def streamed(content: bytes) -> AsyncIterator[bytes]:
    """A body whose length is not told beforehand."""
    for start in range(0, len(content), MIB):
        yield content[start : start + MIB]


async def test_side_by_side_uploads_store_exactly_what_the_quota_allows(ingester: Ingester) -> None:
    element = ingester.element("se-rw-1")
    ingester.admin.quota_files = 4
    answers = await asyncio.gather(*(ingester.send(body(file_part(b"%PDF-1.7 x"))) for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [201] * 4 + [403] * 8
    refused = next(answer for answer in answers if answer.status_code == 403)
    assert refused.json()["error"]["code"] == "QUOTA_EXCEEDED"
    assert refused.json()["error"]["details"] == {"which": "files"}
    assert len(element.data()) == len(ingester.admin.registered) == 4
    assert ingester.admin.reserved == {}


async def test_a_refusal_comes_before_the_body_is_read_and_touches_no_element(ingester: Ingester) -> None:
    ingester.admin.quota_files = 0
    asked = ingester.admin.asked_for_elements
    answer = await ingester.send(body(file_part(bytes(4 * MIB))))
    assert answer.status_code == 403
    assert ingester.admin.asked_for_elements == asked
    (size,) = [size for _, size in ingester.admin.reservations]
    assert size > 4 * MIB


async def test_what_is_reserved_is_the_file_that_is_registered(ingester: Ingester) -> None:
    ingester.element("se-rw-1")
    ingester.admin.quota_files = 10
    for content in (b"%PDF-1.7 small", b"%PDF-1.7" + bytes(3 * MIB)):
        assert (await ingester.send(body(file_part(content)))).status_code == 201
    assert [file for file, _ in ingester.admin.reservations] == [one["file_id"] for one in ingester.admin.registered]


async def test_a_body_of_unknown_length_reserves_what_is_known_of_it(ingester: Ingester) -> None:
    ingester.element("se-rw-1")
    ingester.admin.quota_files = 10
    small, large = file_part(b"%PDF-1.7 small"), file_part(b"%PDF-1.7" + bytes(3 * MIB))
    for part in (small, large):
        assert (await ingester.send(streamed(body(part)))).status_code == 201
    assert [size for _, size in ingester.admin.reservations] == [len(b"%PDF-1.7 small"), 1024 * MIB]


async def test_a_failed_upload_gives_its_room_back(ingester: Ingester) -> None:
    ingester.element("se-rw-1")
    ingester.admin.quota_files = 10
    assert (await ingester.send(body(file_part(b"MZ\x90", "a.exe")))).status_code == 415
    assert (await ingester.send(file_part(b"%PDF-1.7 cut off"))).status_code == 400
    assert len(ingester.admin.reservations) == 2
    assert ingester.admin.reserved == {}


async def test_a_file_that_waits_for_its_registration_keeps_its_room(ingester: Ingester) -> None:
    ingester.element("se-rw-1")
    ingester.admin.quota_files = 10
    ingester.admin.registry_status = 503
    assert (await ingester.send(body(file_part()))).status_code == 201
    assert len(ingester.admin.reserved) == 1
    ingester.admin.registry_status = 201
    await until(lambda: ingester.admin.reserved == {})


async def test_an_account_without_a_quota_is_asked_for_once_in_a_while(ingester: Ingester) -> None:
    ingester.element("se-rw-1")
    for _ in range(3):
        assert (await ingester.send(body(file_part()))).status_code == 201
    assert len(ingester.admin.reservations) == 1
    await asyncio.sleep(0.6)  # as long as that is believed here
    ingester.admin.quota_files = 0
    assert (await ingester.send(body(file_part()))).status_code == 403


async def test_admin_unreachable_is_said_before_any_byte(ingester: Ingester) -> None:
    element = ingester.element("se-rw-1")
    ingester.admin.quota_status = 500
    answer = await ingester.send(body(file_part()))
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "ADMIN_UNAVAILABLE")
    assert element.files() == []


async def test_uploads_and_refusals_are_audited(ingester: Ingester) -> None:
    ingester.element("se-rw-1")
    seen = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7", "X-Request-Id": "mine"}
    stored = await ingester.send(body(file_part()), **seen)
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    assert (await ingester.http.post("/api/v1/files/upload", content=b"x", headers=headers)).status_code == 401
    reader = ingester.issuer.bearer(["files:read"])
    assert (await ingester.http.post("/api/v1/files/upload", content=b"x", headers=headers | reader)).status_code == 403
    ingester.admin.quota_files = 0
    await asyncio.sleep(0.6)
    assert (await ingester.send(body(file_part()))).status_code == 403
    await until(lambda: len(ingester.admin.audited) == 4)
    told = [(one["action"], one["outcome"], one["actor"], one["details"].get("code")) for one in ingester.admin.audited]
    assert told == [
        ("file.uploaded", "done", "sa:sa_test_0001", None),
        ("access.denied", "denied", "anonymous", "UNAUTHORIZED"),
        ("access.denied", "denied", "sa:sa_test_0001", "FORBIDDEN"),
        ("access.denied", "denied", "sa:sa_test_0001", "QUOTA_EXCEEDED"),
    ]
    uploaded = ingester.admin.audited[0]
    assert uploaded["target"] == stored.json()["file_id"]
    assert (uploaded["address"], uploaded["request_id"]) == ("203.0.113.7", "mine")
