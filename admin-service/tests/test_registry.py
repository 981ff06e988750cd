"""The registry of files and the element list: who may write, and what a row never does (I2, R2, R3)."""

from __future__ import annotations

from typing import Any

import pytest
from admin_support import Admin
from artstore_core.ids import new_id

PATH = "/api/v1/registry/files"
INTERNAL = "urn:artstore:internal"


def file(**changes: Any) -> dict[str, Any]:
    return {
        "file_id": str(new_id()),
        "storage_element_id": "se-rw-1",
        "original_filename": "отчёт.pdf",
        "content_type": "application/pdf",
        "size": 5,
        "checksum": "0" * 64,
        "uploaded_by": "sa:sa_client_1",
        "uploaded_at": "2026-11-21T12:00:00Z",
        "description": "годовой",
        "tags": ["сканы"],
        "metadata": {"project": "north"},
        "status": "active",
        "retention_policy": "permanent",
        "revision": 1,
        **changes,
    }


async def register(admin: Admin, body: dict[str, Any]) -> Any:
    return await admin.http.post(PATH, json=body, headers=await admin.bearer("ingester", resource=INTERNAL))


async def test_registered_file_reads_back_as_it_was(admin: Admin) -> None:
    body = file()
    assert (await register(admin, body)).status_code == 201
    found = (await admin.http.get(f"{PATH}/{body['file_id']}", headers=await admin.bearer())).json()
    assert {name: found[name] for name in body} == body


async def test_registering_again_makes_no_second_row(admin: Admin) -> None:
    body = file()
    assert (await register(admin, body)).status_code == 201
    assert (await register(admin, body)).status_code == 200
    assert (await admin.http.get(PATH, headers=await admin.bearer())).json()["total"] == 1


async def test_older_revision_never_overwrites_a_newer_one(admin: Admin) -> None:
    body = file(revision=2, description="новое")
    await register(admin, body)
    answer = await register(admin, {**body, "revision": 1, "description": "старое"})
    assert (answer.status_code, answer.json()["description"]) == (200, "новое")


async def test_row_bound_to_another_element_is_never_overwritten(admin: Admin) -> None:
    body = file()
    await register(admin, body)
    answer = await register(admin, {**body, "storage_element_id": "se-edit-1"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")


async def test_unknown_element_is_refused(admin: Admin) -> None:
    answer = await register(admin, file(storage_element_id="se-ghost-9"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")


async def test_no_client_may_say_who_uploaded(admin: Admin) -> None:
    answer = await admin.http.post(PATH, json=file(), headers=await admin.bearer("operator"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "UNAUTHORIZED")


async def test_element_token_is_refused_by_admin(admin: Admin) -> None:
    headers = await admin.bearer("ingester", resource="urn:artstore:element:se-rw-1")
    assert (await admin.http.post(PATH, json=file(), headers=headers)).status_code == 401


async def test_elements_are_listed_with_what_is_known(admin: Admin) -> None:
    headers = await admin.bearer("ingester", resource=INTERNAL)
    page = (await admin.http.get("/api/v1/storage-elements", headers=headers)).json()
    assert [one["storage_id"] for one in page["items"]] == ["se-edit-1", "se-rw-1"]
    assert {one["status"] for one in page["items"]} == {"offline"}
    online = await admin.http.get("/api/v1/storage-elements?status=online&mode=rw", headers=headers)
    assert online.json()["total"] == 0


@pytest.mark.parametrize("path", [f"{PATH}?storage_element_id=%00", "/api/v1/storage-elements/%00"])
async def test_id_that_cannot_be_is_refused(admin: Admin, path: str) -> None:
    answer = await admin.http.get(path, headers=await admin.bearer())
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "change",
    [{"original_filename": "a\x00"}, {"uploaded_by": "\x00"}, {"metadata": {"a": "\x00"}}, {"tags": ["\x00"]}],
)
async def test_what_postgresql_cannot_hold_is_refused(admin: Admin, change: dict[str, Any]) -> None:
    answer = await register(admin, file(**change))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
