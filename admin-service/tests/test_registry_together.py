"""Several files registered in one request: each gets the answer that it would have got alone."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest
from admin_support import Admin
from artstore_core.ids import new_id
from artstore_testing.postgres import Database

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


async def together(admin: Admin, *files: Any) -> list[str]:
    headers = await admin.bearer("ingester", resource=INTERNAL)
    answer = await admin.http.post(f"{PATH}/together", json={"files": files}, headers=headers)
    assert answer.status_code == 200, answer.text
    outcomes: list[str] = answer.json()["outcomes"]
    return outcomes


async def found(admin: Admin, body: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = (await admin.http.get(f"{PATH}/{body['file_id']}", headers=await admin.bearer())).json()
    return answer


async def test_files_read_back_as_they_were(admin: Admin) -> None:
    bodies = [file(), file(storage_element_id="se-edit-1", description=None, ttl_days=3, metadata={})]
    assert await together(admin, *bodies) == ["added", "added"]
    for body in bodies:
        there = await found(admin, body)
        assert {name: there[name] for name in body} == body


async def test_again_makes_no_second_row(admin: Admin) -> None:
    body = file()
    assert await together(admin, body, file()) == ["added", "added"]
    assert await together(admin, file(), body) == ["added", "updated"]
    assert (await admin.http.get(PATH, headers=await admin.bearer())).json()["total"] == 3


async def test_one_file_twice_ends_as_its_newer_revision(admin: Admin) -> None:
    body = file()
    newer = {**body, "revision": 2, "description": "новое"}
    assert await together(admin, newer, body) == ["added", "updated"]
    assert (await found(admin, body))["description"] == "новое"
    assert await together(admin, body, {**body, "revision": 3, "description": "третье"}) == ["updated", "updated"]
    assert (await found(admin, body))["description"] == "третье"


async def test_row_bound_to_another_element_is_a_conflict_and_the_others_are_none(admin: Admin) -> None:
    body, other = file(), file()
    await together(admin, body)
    assert await together(admin, {**body, "storage_element_id": "se-edit-1"}, other) == ["conflict", "added"]
    assert (await found(admin, body))["storage_element_id"] == "se-rw-1"


@pytest.mark.parametrize(
    "wrong",
    [
        file(storage_element_id="se-ghost-9"),
        file(size=-1),
        file(original_filename="a\x00"),
        file(metadata={"a": "\x00"}),
        {"file_id": "none"},
        "no file",
        None,
    ],
)
async def test_one_that_is_wrong_keeps_no_other_out(admin: Admin, wrong: Any) -> None:
    bodies = [file(), file()]
    assert await together(admin, bodies[0], wrong, bodies[1]) == ["added", "refused", "added"]
    for body in bodies:
        assert (await found(admin, body))["file_id"] == body["file_id"]


async def test_one_that_postgresql_cannot_hold_keeps_no_other_out(admin: Admin, migrated: Database) -> None:
    """What passes every check of ours is found by halves."""
    owner = await asyncpg.connect(migrated.url())
    await owner.execute("ALTER TABLE files ADD CONSTRAINT unforeseen CHECK (size <> 666)")
    await owner.close()
    sizes = [1, 666, 2, 3, 666, 4, 5]
    outcomes = await together(admin, *(file(size=size) for size in sizes))
    assert outcomes == ["refused" if size == 666 else "added" for size in sizes]
    assert (await admin.http.get(PATH, headers=await admin.bearer())).json()["total"] == 5


async def test_the_same_files_in_other_orders_at_once_wait_in_no_circle(admin: Admin) -> None:
    bodies = [file() for _ in range(20)]
    orders = [bodies, bodies[::-1], bodies[5:] + bodies[:5]] * 4
    for outcomes in await asyncio.gather(*(together(admin, *order) for order in orders)):
        assert set(outcomes) <= {"added", "updated"}
    assert (await admin.http.get(PATH, headers=await admin.bearer())).json()["total"] == 20


@pytest.mark.parametrize("count", [0, 101])
async def test_so_many_at_once_are_refused(admin: Admin, count: int) -> None:
    headers = await admin.bearer("ingester", resource=INTERNAL)
    answer = await admin.http.post(f"{PATH}/together", json={"files": [file()] * count}, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")


async def test_events_and_usage_count_each_file_once(admin: Admin, migrated: Database) -> None:
    body = file(uploaded_by="sa:sa_counted_1")
    await together(admin, body, file(uploaded_by="sa:sa_counted_1"), body)
    owner = await asyncpg.connect(migrated.url())
    events = await owner.fetchval("SELECT count(*) FROM outbox WHERE kind = 'file.registered'")
    usage = await owner.fetchrow("SELECT files, bytes FROM account_usage WHERE principal = 'sa:sa_counted_1'")
    await owner.close()
    assert (events, tuple(usage)) == (2, (2, 10))
