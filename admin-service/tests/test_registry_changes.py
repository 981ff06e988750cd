"""Changing registered files: the element first, then the row (R2)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from admin_elements import Element
from artstore_core.ids import new_id
from artstore_core.modes import Mode
from element_world import FILES, World, error_of


def path(file: dict[str, Any]) -> str:
    return f"{FILES}/{file['file_id']}"


def on(element: Element, file: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = element.ask("GET", f"/api/v1/files/{file['file_id']}").json()
    return found


async def test_a_change_is_made_on_the_element_and_seen_here(world: World) -> None:
    element = await world.registered(mode=Mode.RW)
    file = await world.file_on(element, description="годовой", tags=["a"], metadata={"n": 1})
    answer = await world.ask("PATCH", path(file), json={"description": "новый", "tags": None})
    assert answer.status_code == 200, answer.text
    changed = answer.json()
    assert (changed["description"], changed["tags"], changed["metadata"]) == ("новый", [], {"n": 1})
    assert (changed["revision"], answer.headers["etag"]) == (2, '"2"')
    assert {**on(element, file), "storage_element_id": element.storage_id} == changed
    shown = await world.ask("GET", path(file))
    assert (shown.json(), shown.headers["etag"]) == (changed, '"2"')
    assert await world.audit() == [
        ("storage_element.registered", element.storage_id, "sa:sa_operator_1"),
        ("file.changed", file["file_id"], "sa:sa_operator_1"),
    ]


async def test_if_match_names_the_revision(world: World) -> None:
    element = await world.registered()
    file = await world.file_on(element)
    first = await world.ask("PATCH", path(file), json={"description": "a"}, headers={"If-Match": '"1"'})
    assert first.status_code == 200
    for method in ("PATCH", "DELETE"):
        body = {"description": "b"} if method == "PATCH" else None
        late = await world.ask(method, path(file), json=body, headers={"If-Match": '"1"'})
        assert error_of(late) == (412, "PRECONDITION_FAILED")
    assert (await world.ask("GET", path(file))).json()["description"] == "a"
    assert (await world.ask("DELETE", path(file), headers={"If-Match": '"2"'})).status_code == 204


async def test_changes_at_the_same_time_leave_the_last_one_in_both_places(world: World) -> None:
    element = await world.registered()
    file = await world.file_on(element)
    changes = (world.ask("PATCH", path(file), json={"description": str(number)}) for number in range(8))
    answers = await asyncio.gather(*changes)
    assert {answer.status_code for answer in answers} == {200}
    row = (await world.ask("GET", path(file))).json()
    assert row == {**on(element, file), "storage_element_id": element.storage_id}
    assert row["revision"] == 9


async def test_a_deleted_file_is_gone_there_and_deleted_here(world: World) -> None:
    element = await world.registered()
    file = await world.file_on(element)
    assert (await world.ask("DELETE", path(file))).status_code == 204
    assert element.ask("GET", f"/api/v1/files/{file['file_id']}").status_code == 404
    row = (await world.ask("GET", path(file))).json()
    assert (row["status"], row["revision"]) == ("deleted", 2)
    for method in ("PATCH", "DELETE"):
        again = await world.ask(method, path(file), json={} if method == "PATCH" else None)
        assert error_of(again) == (404, "NOT_FOUND")
    await world.register_file(element, file)
    assert (await world.ask("GET", path(file))).json()["status"] == "deleted", "a late registration brought it back"


async def test_what_the_element_does_not_allow_is_not_done(world: World) -> None:
    element = await world.registered(mode=Mode.RW)
    file = await world.file_on(element)
    assert error_of(await world.ask("DELETE", path(file))) == (409, "MODE_NOT_ALLOWED")
    await world.ask("POST", f"/api/v1/storage-elements/{element.storage_id}/mode", json={"target_mode": "ro"})
    assert error_of(await world.ask("PATCH", path(file), json={"tags": ["x"]})) == (409, "MODE_NOT_ALLOWED")
    row = (await world.ask("GET", path(file))).json()
    assert (row["status"], row["revision"]) == ("active", 1)


async def test_while_the_element_is_away_nothing_changes(world: World, unused_tcp_port: int) -> None:
    element = await world.registered()
    file = await world.file_on(element)
    before = await world.audit()
    await world.move_away(element, unused_tcp_port)
    assert error_of(await world.ask("PATCH", path(file), json={"tags": ["x"]})) == (503, "STORAGE_UNAVAILABLE")
    assert error_of(await world.ask("DELETE", path(file))) == (503, "STORAGE_UNAVAILABLE")
    row = (await world.ask("GET", path(file))).json()
    assert (row["status"], row["revision"], row["tags"]) == ("active", 1, [])
    assert await world.audit() == before


async def test_an_unmounted_disk_deletes_nothing(world: World) -> None:
    element = await world.registered()
    file = await world.file_on(element)
    (element.root / "artstore-element.json").rename(element.root / "away.json")
    assert error_of(await world.ask("DELETE", path(file))) == (503, "STORAGE_UNAVAILABLE")
    assert (await world.ask("GET", path(file))).json()["status"] == "active"


async def test_a_row_whose_file_is_gone_follows(world: World) -> None:
    """As after an answer that was lost: asking again ends in the same."""
    element = await world.registered()
    changed, deleted = await world.file_on(element), await world.file_on(element)
    for file in (changed, deleted):
        assert element.ask("DELETE", f"/api/v1/files/{file['file_id']}").status_code == 204
    assert error_of(await world.ask("PATCH", path(changed), json={"tags": ["x"]})) == (404, "NOT_FOUND")
    assert (await world.ask("DELETE", path(deleted))).status_code == 204
    for file in (changed, deleted):
        assert (await world.ask("GET", path(file))).json()["status"] == "deleted"


@pytest.mark.parametrize("body", [{"size": 1}, {"metadata": []}, {"tags": ["\x00"]}, {"description": 1}, []])
async def test_what_may_not_change_is_refused_before_anybody_is_asked(world: World, body: Any) -> None:
    answer = await world.ask("PATCH", f"{FILES}/{new_id()}", json=body)
    assert error_of(answer) == (400, "VALIDATION_ERROR")


async def test_lists_are_filtered(world: World) -> None:
    element = await world.registered()
    mine = await world.file_on(element)
    other = await world.file_on(element, uploaded_by="user:anna")
    gone = await world.file_on(element)
    await world.ask("DELETE", path(gone))

    async def ids(query: str) -> set[str]:
        page = (await world.ask("GET", f"{FILES}?{query}")).json()
        return {one["file_id"] for one in page["items"]}

    assert await ids("uploaded_by=user:anna") == {other["file_id"]}
    assert await ids(f"storage_element_id={element.storage_id}&status=active") == {mine["file_id"], other["file_id"]}
    assert await ids("status=deleted") == {gone["file_id"]}
    assert await ids("storage_element_id=se-rw-1") == set()
    assert error_of(await world.ask("GET", f"{FILES}?uploaded_by=%00")) == (400, "VALIDATION_ERROR")


async def test_who_may_only_read_changes_nothing(world: World) -> None:
    for account in ("client", "ingester"):
        options = {"resource": "urn:artstore:internal"} if account == "ingester" else {}
        headers = await world.admin.bearer(account, **options)
        for method in ("PATCH", "DELETE"):
            answer = await world.admin.http.request(method, f"{FILES}/{new_id()}", headers=headers)
            assert error_of(answer) == (403, "FORBIDDEN")
