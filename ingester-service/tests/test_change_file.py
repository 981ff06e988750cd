"""PATCH and DELETE of a file: the element first, the registry then."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest
from artstore_core.modes import Mode
from artstore_testing.servers import free_port
from ingester_support import ElementProcess, Ingester, body, file_part, part, until

NOBODYS = "0192f3a0-0000-7000-8000-000000000000"


@pytest.fixture
def edit(ingester: Ingester) -> ElementProcess:
    return ingester.element("se-edit-1", Mode.EDIT)


async def stored(ingester: Ingester, policy: str = "temporary") -> dict[str, Any]:
    answer = await ingester.send(body(part("retention_policy", policy), part("description", "old"), file_part()))
    assert answer.status_code == 201, answer.text
    file: dict[str, Any] = answer.json()
    return file


async def ask(ingester: Ingester, method: str, file_id: str, json: Any = None, **headers: str) -> httpx.Response:
    sent = ingester.issuer.bearer() | {name.replace("_", "-"): value for name, value in headers.items()}
    return await ingester.http.request(method, f"/api/v1/files/{file_id}", json=json, headers=sent)


async def test_a_change_is_on_the_disk_and_in_the_registry(ingester: Ingester, edit: ElementProcess) -> None:
    file = await stored(ingester)
    answer = await ask(ingester, "PATCH", file["file_id"], {"tags": ["a", "b"], "description": None}, If_Match='"1"')
    assert answer.status_code == 200, answer.text
    changed = answer.json()
    assert changed == file | {"tags": ["a", "b"], "description": None, "revision": 2}
    assert answer.headers["etag"] == '"2"'
    assert [(one["tags"], one["description"], one["revision"]) for one in edit.attributes()] == [(["a", "b"], None, 2)]
    assert ingester.admin.registered[-1] == changed | {"storage_element_id": "se-edit-1"}
    await until(lambda: "file.changed" in [entry["action"] for entry in ingester.admin.audited])


async def test_deleted_is_gone_on_the_element_and_told_to_the_registry(
    ingester: Ingester, edit: ElementProcess
) -> None:
    file = await stored(ingester)
    answer = await ask(ingester, "DELETE", file["file_id"], If_Match='"1"')
    assert (answer.status_code, answer.content) == (204, b"")
    told = file | {"status": "deleted", "revision": 2, "storage_element_id": "se-edit-1"}
    assert ingester.admin.registered[-1] == told
    assert [(one["status"], one["deleted_by"]) for one in edit.attributes()] == [("deleted", "sa:sa_test_0001")]
    assert (await ask(ingester, "DELETE", file["file_id"])).status_code == 404
    assert (await ask(ingester, "PATCH", file["file_id"], {"tags": []})).status_code == 404
    await until(lambda: "file.deleted" in [entry["action"] for entry in ingester.admin.audited])


async def test_refusals_change_nothing(ingester: Ingester, edit: ElementProcess) -> None:
    rw = ingester.element("se-rw-1")
    temporary, permanent = await stored(ingester), await stored(ingester, "permanent")
    registered = list(ingester.admin.registered)
    for method, file_id, json, if_match, status, code in (
        ("PATCH", NOBODYS, {"tags": []}, None, 404, "NOT_FOUND"),
        ("DELETE", NOBODYS, None, None, 404, "NOT_FOUND"),
        ("PATCH", temporary["file_id"], {"tags": []}, '"2"', 412, "PRECONDITION_FAILED"),
        ("DELETE", temporary["file_id"], None, '"2"', 412, "PRECONDITION_FAILED"),
        ("DELETE", permanent["file_id"], None, None, 409, "MODE_NOT_ALLOWED"),
        ("PATCH", temporary["file_id"], {"size": 1}, None, 400, "VALIDATION_ERROR"),
        ("PATCH", temporary["file_id"], {"description": "a\0"}, None, 400, "VALIDATION_ERROR"),
        ("PATCH", "hello", {"tags": []}, None, 400, "VALIDATION_ERROR"),
    ):
        headers = {} if if_match is None else {"If_Match": if_match}
        answer = await ask(ingester, method, file_id, json, **headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), (method, file_id)
    reader = {"Authorization": f"Bearer {ingester.issuer.token(['files:read'])}"}
    assert (await ask(ingester, "DELETE", temporary["file_id"], **reader)).status_code == 403
    assert ingester.admin.registered == registered
    assert [one["revision"] for one in edit.attributes() + rw.attributes()] == [1, 1]


async def test_the_element_is_away(ingester: Ingester, edit: ElementProcess) -> None:
    file = await stored(ingester)
    ingester.admin.elements[:] = [replace(edit, url=f"http://127.0.0.1:{free_port()}")]
    for method, json in (("PATCH", {"tags": ["x"]}), ("DELETE", None)):
        answer = await ask(ingester, method, file["file_id"], json)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "STORAGE_UNAVAILABLE")
        assert int(answer.headers["retry-after"]) > 0
    ingester.admin.elements[:] = [edit]
    assert (await ask(ingester, "PATCH", file["file_id"], {"tags": ["x"]})).status_code == 200


async def test_the_registry_hears_later(ingester: Ingester, edit: ElementProcess) -> None:
    file = await stored(ingester)
    ingester.admin.registry_status = 503
    assert (await ask(ingester, "PATCH", file["file_id"], {"tags": ["x"]})).status_code == 200
    ingester.admin.registry_status = 201
    await until(lambda: ingester.admin.registered[-1]["revision"] == 2)
    assert [one["tags"] for one in edit.attributes()] == [["x"]]
