"""Syncs over HTTP: asked for, looked at, and by whom."""

from __future__ import annotations

import asyncio
from typing import Any

from admin_support import Admin


async def ended(admin: Admin, storage_id: str = "se-rw-1") -> dict[str, Any]:
    """The newest sync, once it has ended."""
    async with asyncio.timeout(20):
        while True:
            answer = await admin.http.get(f"/api/v1/storage-elements/{storage_id}/syncs", headers=await admin.bearer())
            assert answer.status_code == 200, answer.text
            newest: dict[str, Any] = answer.json()["items"][0]
            if newest["status"] != "running":
                return newest
            await asyncio.sleep(0.05)


async def test_sync_is_asked_for_and_its_row_comes_back(admin: Admin) -> None:
    answer = await admin.http.post("/api/v1/storage-elements/se-rw-1/sync", headers=await admin.bearer())
    assert answer.status_code == 202, answer.text
    row = answer.json()
    assert (row["storage_id"], row["status"], row["reason"], row["kind"]) == ("se-rw-1", "running", "manual", "full")
    assert row["requested_by"] == "sa:sa_operator_1"
    newest = await ended(admin)
    # Nobody answers at the address that the bootstrap gave.
    assert (newest["id"], newest["status"], newest["files_deleted"]) == (row["id"], "failed", 0)
    assert newest["error"]
    assert newest["ended_at"] is not None


async def test_history_is_a_page_newest_first(admin: Admin) -> None:
    bearer = await admin.bearer()
    for _ in range(3):
        await admin.http.post("/api/v1/storage-elements/se-rw-1/sync", json={"full": True}, headers=bearer)
        await ended(admin)
    page = (await admin.http.get("/api/v1/storage-elements/se-rw-1/syncs?limit=2", headers=bearer)).json()
    assert (page["total"], page["limit"], page["has_more"], len(page["items"])) == (3, 2, True, 2)
    assert page["items"][0]["started_at"] > page["items"][1]["started_at"]
    other = (await admin.http.get("/api/v1/storage-elements/se-edit-1/syncs", headers=bearer)).json()
    assert (other["total"], other["items"]) == (0, [])


async def test_unknown_element_and_odd_bodies_are_refused(admin: Admin) -> None:
    bearer = await admin.bearer()
    for method, path in (("POST", "sync"), ("GET", "syncs")):
        answer = await admin.http.request(method, f"/api/v1/storage-elements/se-nowhere/{path}", headers=bearer)
        assert answer.status_code == 404
    answer = await admin.http.post("/api/v1/storage-elements/se-rw-1/sync", json={"quick": True}, headers=bearer)
    assert answer.status_code == 400


async def test_who_may_not_is_refused(admin: Admin) -> None:
    client = await admin.bearer("client")
    for method, path in (("POST", "sync"), ("GET", "syncs")):
        answer = await admin.http.request(method, f"/api/v1/storage-elements/se-rw-1/{path}", headers=client)
        assert answer.status_code == 403
        assert (await admin.http.request(method, f"/api/v1/storage-elements/se-rw-1/{path}")).status_code == 401


async def test_asking_leaves_an_entry_in_the_audit_log(admin: Admin) -> None:
    from sqlalchemy import text

    await admin.http.post("/api/v1/storage-elements/se-rw-1/sync", headers=await admin.bearer())
    await ended(admin)
    async with admin.store._postgres.reading() as connection:
        query = "SELECT actor, target FROM audit_log WHERE action = 'sync.requested'"
        rows = (await connection.execute(text(query))).all()
    assert [tuple(row) for row in rows] == [("sa:sa_operator_1", "se-rw-1")]


async def test_metrics_tell_of_syncs(admin: Admin) -> None:
    await admin.http.post("/api/v1/storage-elements/se-rw-1/sync", headers=await admin.bearer())
    await ended(admin)
    told = (await admin.http.get("/metrics")).text
    assert 'artstore_syncs_total{kind="full",status="failed",storage_id="se-rw-1"} 1.0' in told
    assert 'artstore_sync_last_success_timestamp_seconds{storage_id="se-rw-1"} 0.0' in told
    assert "artstore_syncs_running 0.0" in told
