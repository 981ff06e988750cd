"""Any replica goes on with what another began; a replica that is killed loses nothing (requirement G8)."""

from __future__ import annotations

import os
from typing import Any
from uuid import UUID, uuid4

import httpx
from artstore_core.ids import new_id
from artstore_core.retention import RetentionPolicy
from artstore_core.scopes import Scope, element_audience
from ingester_service.resumable.begun import Begun, Kind
from ingester_service.resumable.ids import id_on, joined_id, may_be_on
from ingester_service.upload.incoming import Retention
from ingester_support import MIB, ElementProcess, Ingester
from tus_support import UPLOADS, Tus, id_of, metadata, sha256


async def test_each_piece_through_another_replica(ingester: Ingester, tus: Tus) -> None:
    for number in range(3):
        ingester.element(f"se-rw-{number}")
    content = os.urandom(3 * MIB)
    path = await tus.begin(len(content), Upload_Metadata=metadata(filename="a.bin"))
    for number in range(3):
        async with httpx.AsyncClient(base_url=ingester.replica(), timeout=30) as http:
            other = tus.at(http)
            assert await other.offset(path) == number * MIB
            assert (
                await other.patch(path, number * MIB, content[number * MIB : (number + 1) * MIB])
            ).status_code == 204
    assert [data for element in ingester.admin.elements for data in element.data()] == [content]
    assert [file["checksum"] for file in ingester.admin.registered] == [sha256(content)]


def element_client(ingester: Ingester, element: ElementProcess) -> httpx.AsyncClient:
    token = ingester.issuer.bearer([Scope.FILES_WRITE], audience=element_audience(element.storage_id))
    return httpx.AsyncClient(base_url=element.url, headers=token, timeout=30)


def begun(kind: Kind, **said: str) -> dict[str, Any]:
    retention = Retention(RetentionPolicy.PERMANENT, None)
    return Begun("sa:sa_test_0001", kind, retention, metadata(**said)).context()


async def test_killed_before_the_file_was_made(ingester: Ingester, tus: Tus, rw: ElementProcess) -> None:
    """All bytes are there, and nobody made the file of them: the client's next question does."""
    upload_id = id_on(rw.storage_id)
    async with element_client(ingester, rw) as element:
        body = {"size": 5, "context": begun(Kind.WHOLE, filename="ю.txt")}
        assert (await element.post(f"{UPLOADS}/{upload_id}", json=body)).status_code == 201
        await element.patch(f"{UPLOADS}/{upload_id}", content=b"hello", headers={"Upload-Offset": "0"})
    path = f"{UPLOADS}/{upload_id}"
    assert (await tus.state(path))["status"] == "uploading"
    assert await tus.offset(path) == 5
    assert rw.data() == [b"hello"]
    assert [file["original_filename"] for file in ingester.admin.registered] == ["ю.txt"]


async def test_killed_between_joining_and_the_file(ingester: Ingester, tus: Tus, rw: ElementProcess) -> None:
    parts = [await tus.begin(1, Upload_Concat="partial") for _ in range(2)]
    for part, content in zip(parts, (b"a", b"b"), strict=True):
        await tus.patch(part, 0, content)
    ids = [UUID(id_of(part)) for part in parts]
    upload_id = joined_id(ids, rw.storage_id)
    async with element_client(ingester, rw) as element:
        body = {"size": 2, "context": begun(Kind.FINAL, filename="a.txt")}
        assert (await element.post(f"{UPLOADS}/{upload_id}", json=body)).status_code == 201
        joining = {"parts": [str(part) for part in ids]}
        assert (await element.post(f"{UPLOADS}/{upload_id}/concatenate", json=joining)).status_code == 200
    headers = {"Upload-Concat": f"final;{' '.join(parts)}", "Upload-Metadata": metadata(filename="a.txt")}
    answer = await tus.ask("POST", UPLOADS, headers)
    assert (answer.status_code, answer.json()["file_id"]) == (201, str(upload_id))
    assert rw.data() == [b"ab"]


async def test_killed_between_the_file_and_the_registry(ingester: Ingester, tus: Tus, rw: ElementProcess) -> None:
    """The file is safe, and admin never heard of it: whatever the client asks next says it to admin."""
    assert not rw.files()
    path = await tus.begin(5, Upload_Metadata=metadata(filename="ю.txt"))
    await tus.patch(path, 0, b"hello")
    parts = [await tus.begin(1, Upload_Concat="partial") for _ in range(2)]
    for part in parts:
        await tus.patch(part, 0, b"a")
    headers = {"Upload-Concat": f"final;{' '.join(parts)}", "Upload-Metadata": metadata(filename="a.txt")}
    joined = (await tus.ask("POST", UPLOADS, headers)).json()["file_id"]
    for again, file_id in (
        (lambda: tus.offset(path), id_of(path)),
        (lambda: tus.patch(path, 5, b""), id_of(path)),
        (lambda: tus.ask("POST", UPLOADS, headers), joined),
    ):
        ingester.admin.registered.clear()
        await again()
        assert [file["file_id"] for file in ingester.admin.registered] == [file_id]


async def test_what_others_staged_on_the_element_is_nobodys_here(
    ingester: Ingester, tus: Tus, rw: ElementProcess
) -> None:
    async with element_client(ingester, rw) as element:
        for context in (None, {"version": 2, "owner": "sa:sa_test_0001"}):
            upload_id = id_on(rw.storage_id)
            await element.post(f"{UPLOADS}/{upload_id}", json={"size": 5, "context": context})
            assert (await tus.ask("HEAD", f"{UPLOADS}/{upload_id}")).status_code == 404
            assert (await tus.ask("DELETE", f"{UPLOADS}/{upload_id}")).status_code == 404
    assert len(rw.files()) == 4


def test_ids_tell_their_element_and_stay_version_7() -> None:
    names = [f"se-{number}" for number in range(50)]
    for name in names:
        upload_id = id_on(name)
        assert (upload_id.version, upload_id.variant) == (7, uuid4().variant)
        assert may_be_on(upload_id, name)
    by_chance = sum(may_be_on(new_id(), name) for name in names for _ in range(200))
    assert by_chance < 20  # 10,000 / 4,096
    parts = [new_id(), new_id()]
    assert joined_id(parts, "a") == joined_id(parts, "a") != joined_id(parts[::-1], "a")
    assert may_be_on(joined_id(parts, "a"), "a")
    assert joined_id(parts, "a").version == 7
