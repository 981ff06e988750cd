"""One file, however often an upload is sent under one Idempotency-Key (requirement G7)."""

from __future__ import annotations

import asyncio
import base64
import os

import httpx
import pytest
from artstore_core.files import NewFile
from artstore_core.modes import Mode
from artstore_core.retention import RetentionPolicy
from idempotency_support import Keys, at_element, keyed
from ingester_support import MIB, ElementProcess, Ingester, body, file_part, part, until

HELLO = b"%PDF-1.7 hello"
pytestmark = pytest.mark.usefixtures("keys")


def ids(ingester: Ingester) -> list[str]:
    return [file["file_id"] for file in ingester.admin.registered]


@pytest.mark.parametrize("size", [0, 10, 3 * MIB])
async def test_twenty_at_once_through_two_replicas_make_one_file(ingester: Ingester, size: int) -> None:
    elements = [ingester.element(f"se-rw-{number}") for number in range(2)]
    content = body(part("description", "отчёт"), file_part(HELLO + os.urandom(size)))
    async with httpx.AsyncClient(base_url=ingester.replica(), timeout=30) as http:
        other = Ingester(http, ingester.admin, ingester.issuer, ingester.stack, ingester.directory, ingester.replica)
        answers = await asyncio.gather(
            *((other if number % 2 else ingester).send(content, **keyed()) for number in range(20))
        )
    stored = [answer for answer in answers if answer.status_code == 201]
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert sum("idempotent-replayed" not in answer.headers for answer in stored) == 1
    assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 409)
    again = await ingester.send(content, **keyed())
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
    assert {answer.json()["file_id"] for answer in (*stored, again)} == set(ids(ingester))
    assert len(ids(ingester)) == sum(len(element.data()) for element in elements) == 1


async def test_a_replay_is_the_first_answer(ingester: Ingester, keys: Keys) -> None:
    ingester.element("se-edit-1", Mode.EDIT)
    fields = [part("tags", "б"), part("metadata", '{"n": 1.0, "ю": [1, null]}'), part("retention_policy", "temporary")]
    first, again = [await keys.send(HELLO, "k-1", *fields) for _ in range(2)]
    # The registry of these tests is another one than the keys' database, where the file is unknown.
    assert again.json() == first.json() | {"registered": False}
    assert again.headers["location"] == first.headers["location"]
    bare = await ingester.send(body(*fields, file_part(HELLO)), **{"Idempotency-Key": "k-1"})
    assert bare.json() == again.json()
    assert (await keys.send(HELLO, "k-2", *fields)).json()["file_id"] != first.json()["file_id"]


async def test_another_request_under_the_key_is_refused(ingester: Ingester, keys: Keys) -> None:
    element = ingester.element("se-rw-1")
    ingester.element("se-edit-1", Mode.EDIT)
    assert (await keys.send()).status_code == 201
    others = [
        body(file_part(b"%PDF-1.7 hellO")),
        body(file_part(HELLO, "b.pdf")),
        body(file_part(HELLO), part("description", "x")),
        body(file_part(HELLO), part("tags", "x")),
        body(file_part(HELLO), part("metadata", '{"a": 1}')),
        body(part("retention_policy", "temporary"), file_part(HELLO)),
        body(file_part(HELLO + bytes(3 * MIB))),
    ]
    for content in others:
        answer = await ingester.send(content, **keyed())
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert len(element.data()) == len(ids(ingester)) == 1
    mine = ingester.issuer.bearer(subject="sa:sa_other_0001")
    assert (await ingester.send(others[0], **keyed(), **mine)).status_code == 201


@pytest.mark.parametrize(
    "key", ["", '""', '"a', 'a"b', "a b", "é".encode().decode("latin-1"), "x" * 256, '"a", "b"', '"\\n"']
)
async def test_a_key_that_is_none_is_said_so(ingester: Ingester, key: str) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x", **ingester.issuer.bearer()}
    given = [*((name.encode(), value.encode()) for name, value in headers.items()), (b"Idempotency-Key", key.encode())]
    answer = await ingester.http.post("/api/v1/files/upload", content=b"x", headers=given)
    assert (answer.status_code, list(answer.json()["error"]["details"])) == (400, ["Idempotency-Key"])


async def test_a_refused_upload_frees_the_key(ingester: Ingester, keys: Keys) -> None:
    element = ingester.element("se-rw-1")
    wrong = "Repr-Digest: sha-256=:" + base64.b64encode(bytes(32)).decode() + ":"
    for content, status in ((file_part(b"MZ\x90", "a.exe"), 415), (file_part(HELLO, "a.pdf", wrong), 400)):
        assert (await ingester.send(body(content), **keyed())).status_code == status
    assert await keys.sql("SELECT count(*) FROM idempotency_keys") == 0
    answer = await keys.send()
    assert (answer.status_code, "idempotent-replayed" in answer.headers) == (201, False)
    assert element.data() == [HELLO]


async def test_while_one_is_at_work_the_others_hear_it_before_their_bodies_are_read(
    ingester: Ingester, keys: Keys
) -> None:
    ingester.element("se-rw-1")
    await keys.dead(over=False)
    answer = await keys.send()
    assert (answer.status_code, answer.json()["error"]["code"], answer.headers["retry-after"]) == (409, "CONFLICT", "5")


async def test_without_admin_nothing_is_begun(ingester: Ingester, keys: Keys) -> None:
    element = ingester.element("se-rw-1")
    await keys.sql("ALTER TABLE idempotency_keys RENAME TO away")
    answer = await keys.send()
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "ADMIN_UNAVAILABLE")
    assert element.files() == []


async def put(keys: Keys, element: ElementProcess, file_id: object) -> None:
    """As the one that died did."""
    new = NewFile(
        original_filename="a.pdf",
        content_type="application/pdf",
        uploaded_by="sa:sa_test_0001",
        description=None,
        tags=[],
        metadata={},
        retention_policy=RetentionPolicy.PERMANENT,
        ttl_days=None,
    )
    metadata = base64.urlsafe_b64encode(new.model_dump_json().encode()).rstrip(b"=").decode()
    headers = {"Artstore-Metadata": metadata, "Content-Type": "application/octet-stream"}
    async with at_element(keys.ingester, element) as http:
        assert (await http.put(f"/api/v1/files/{file_id}", content=HELLO, headers=headers)).status_code == 201


async def test_what_a_dead_one_stored_is_found_and_not_made_twice(ingester: Ingester, keys: Keys) -> None:
    elements = [ingester.element(f"se-rw-{number}") for number in range(4)]
    file_id = await keys.dead()
    await put(keys, elements[2], file_id)
    answers = await asyncio.gather(*(keys.send() for _ in range(5)))
    stored = [answer for answer in answers if answer.status_code == 201]
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert {answer.json()["file_id"] for answer in stored} == {str(file_id)} == set(ids(ingester))
    assert all("idempotent-replayed" in answer.headers for answer in stored)
    assert [data for element in elements for data in element.data()] == [HELLO]
    assert (await keys.send(b"%PDF-1.7 other")).status_code == 422
    await until(lambda: len(ingester.admin.audited) > 0)
    assert [(one["action"], one["target"]) for one in ingester.admin.audited] == [("file.uploaded", str(file_id))]


async def test_another_body_does_not_get_what_a_dead_one_stored(ingester: Ingester, keys: Keys) -> None:
    element = ingester.element("se-rw-1")
    file_id = await keys.dead()
    await put(keys, element, file_id)
    assert (await keys.send(b"%PDF-1.7 other")).status_code == 422
    assert (await keys.send()).json()["file_id"] == str(file_id)
    assert element.data() == [HELLO]


@pytest.mark.parametrize("size", [0, 3 * MIB])
async def test_half_a_file_of_a_dead_one_goes_and_its_id_stays(ingester: Ingester, keys: Keys, size: int) -> None:
    elements = [ingester.element(f"se-rw-{number}") for number in range(2)]
    file_id = await keys.dead()
    for element in elements:
        async with at_element(ingester, element) as http:
            url = f"/api/v1/uploads/{file_id}"
            assert (await http.post(url, json={"size": 100})).status_code == 201
            await http.patch(url, content=b"half", headers={"Upload-Offset": "0"})
    content = HELLO + bytes(size)
    answer = await keys.send(content)
    assert (answer.status_code, answer.json()["file_id"]) == (201, str(file_id)), answer.text
    assert "idempotent-replayed" not in answer.headers
    assert [data for element in elements for data in element.data()] == [content]
    assert sum(len(element.files()) for element in elements) == 2


async def test_an_element_that_may_have_it_and_is_away_is_waited_for(ingester: Ingester, keys: Keys) -> None:
    here, away = ingester.element("se-rw-1"), ingester.element("se-rw-2")
    await keys.dead()
    address, away.url = away.url, "http://127.0.0.1:9"
    answer = await keys.send()
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "STORAGE_UNAVAILABLE")
    assert here.data() == []
    away.url = address
    await keys.sql("UPDATE idempotency_keys SET lease_until = now()")
    assert (await keys.send()).status_code == 201


async def test_an_upload_that_lost_its_client_leaves_its_id_to_the_next(ingester: Ingester, keys: Keys) -> None:
    element = ingester.element("se-rw-1")
    cut = body(file_part(HELLO + bytes(4 * MIB)))
    _, writer = await asyncio.open_connection(ingester.http.base_url.host, ingester.http.base_url.port)
    headers = {**ingester.issuer.bearer(), **keyed(), "Host": "x", "Content-Length": str(len(cut))}
    headers["Content-Type"] = "multipart/form-data; boundary=7d3f2a"
    lines = [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join(["POST /api/v1/files/upload HTTP/1.1", *lines, "", ""]).encode() + cut[: 3 * MIB])
    await writer.drain()
    await until(lambda: len(element.files()) > 0)
    assert (await keys.send()).status_code == 409
    writer.close()
    await until(lambda: element.files() == [])
    began = await keys.sql("SELECT file_id FROM idempotency_keys")
    for _ in range(100):
        if await keys.sql("UPDATE idempotency_keys SET lease_until = now() WHERE again RETURNING 1"):
            break
        await asyncio.sleep(0.02)
    answer = await keys.send()
    assert (answer.status_code, answer.json()["file_id"]) == (201, str(began))
    assert element.data() == [HELLO]
