"""Quotas: exact under uploads side by side, settled by registration, and free for who has none."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest
from admin_support import Admin
from artstore_core.ids import new_id
from artstore_testing.postgres import Database
from schema_support import connected

CLIENT, ANNA = "sa:sa_client_1", "user:admin"


class Quotas:
    def __init__(self, admin: Admin, database: Database, headers: dict[str, str]) -> None:
        self._admin, self._database, self._headers = admin, database, headers

    async def reserve(self, file_id: UUID | None = None, principal: str = CLIENT, size: int = 10) -> httpx.Response:
        body = {"principal": principal, "bytes": size}
        return await self._admin.http.put(_url(file_id or new_id()), json=body, headers=self._headers)

    async def release(self, file_id: UUID) -> httpx.Response:
        return await self._admin.http.delete(_url(file_id), headers=self._headers)

    async def register(self, file_id: UUID, size: int = 10, principal: str = CLIENT) -> None:
        body = {
            "file_id": str(file_id),
            "storage_element_id": "se-rw-1",
            "original_filename": "a.pdf",
            "content_type": "application/pdf",
            "size": size,
            "checksum": "0" * 64,
            "uploaded_by": principal,
            "uploaded_at": "2026-11-22T00:00:00Z",
            "status": "active",
            "retention_policy": "permanent",
            "revision": 1,
        }
        answer = await self._admin.http.post("/api/v1/registry/files", json=body, headers=self._headers)
        assert answer.status_code == 201, answer.text

    async def sql(self, statement: str, *values: Any) -> Any:
        async with connected(self._database) as owner:
            return await owner.fetchval(statement, *values)

    async def limit(self, *, size: int | None = None, files: int | None = None) -> None:
        for table, column, name in (
            ("service_accounts", "client_id", "sa_client_1"),
            ("admin_users", "username", "admin"),
        ):
            await self.sql(
                f"UPDATE {table} SET quota_bytes = $1, quota_files = $2 WHERE {column} = $3", size, files, name
            )


def _url(file_id: UUID) -> str:
    return f"/api/v1/quota-reservations/{file_id}"


@pytest.fixture
async def quotas(admin: Admin, migrated: Database) -> Quotas:
    return Quotas(admin, migrated, await admin.bearer("ingester", resource="urn:artstore:internal"))


def details(answer: httpx.Response) -> dict[str, str]:
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "QUOTA_EXCEEDED")
    found: dict[str, str] = answer.json()["error"]["details"]
    return found


async def test_without_a_quota_nothing_is_reserved(quotas: Quotas) -> None:
    for principal in (CLIENT, ANNA, "sa:sa_nobody_1"):
        answer = await quotas.reserve(principal=principal, size=2**60)
        assert (answer.status_code, answer.json()) == (200, {"limited": False, "expires_at": None})
    assert await quotas.sql("SELECT count(*) FROM quota_reservations") == 0


@pytest.mark.parametrize("principal", [CLIENT, ANNA])
async def test_bytes_and_files_each_have_their_bound(quotas: Quotas, principal: str) -> None:
    await quotas.limit(size=100, files=2)
    first = await quotas.reserve(principal=principal, size=60)
    assert first.json()["limited"] is True
    wrong = details(await quotas.reserve(principal=principal, size=41))
    assert wrong == {"which": "bytes", "limit": "100", "used": "60", "wanted": "41"}
    assert (await quotas.reserve(principal=principal, size=40)).status_code == 200
    assert details(await quotas.reserve(principal=principal, size=0))["which"] == "files"


async def test_registering_settles_and_giving_back_frees(quotas: Quotas) -> None:
    await quotas.limit(files=2)
    one, other = new_id(), new_id()
    for file_id in (one, other):
        assert (await quotas.reserve(file_id)).status_code == 200
    await quotas.register(one)
    assert details(await quotas.reserve())["used"] == "2"
    assert (await quotas.release(other)).status_code == 204
    assert (await quotas.release(other)).status_code == 204
    assert (await quotas.reserve()).status_code == 200
    assert details(await quotas.reserve())["used"] == "2"


async def test_a_file_that_is_registered_takes_no_more_room(quotas: Quotas) -> None:
    await quotas.limit(files=1)
    file_id = new_id()
    await quotas.reserve(file_id)
    await quotas.register(file_id)
    assert (await quotas.reserve(file_id)).status_code == 200
    assert await quotas.sql("SELECT count(*) FROM quota_reservations") == 0


async def test_asking_again_renews_and_changes_the_size(quotas: Quotas) -> None:
    await quotas.limit(size=100)
    file_id = new_id()
    await quotas.reserve(file_id, size=100)
    await quotas.sql("UPDATE quota_reservations SET expires_at = now() + interval '1 minute'")
    assert (await quotas.reserve(file_id, size=30)).status_code == 200
    assert (
        await quotas.sql("SELECT bytes FROM quota_reservations WHERE expires_at > now() + interval '50 minutes'") == 30
    )
    assert details(await quotas.reserve(file_id, size=101))["which"] == "bytes"


async def test_what_was_left_behind_ends_by_itself(quotas: Quotas) -> None:
    await quotas.limit(files=1)
    await quotas.reserve()
    assert (await quotas.reserve()).status_code == 403
    await quotas.sql("UPDATE quota_reservations SET expires_at = now() - interval '1 second'")
    assert (await quotas.reserve()).status_code == 200


async def test_nobody_takes_over_anothers_reservation(quotas: Quotas) -> None:
    await quotas.limit(files=5)
    file_id = new_id()
    assert (await quotas.reserve(file_id)).status_code == 200
    assert (await quotas.reserve(file_id, principal=ANNA)).status_code == 403


async def test_a_deleted_file_counts_no_more(quotas: Quotas) -> None:
    await quotas.limit(files=1)
    file_id = new_id()
    await quotas.register(file_id)
    assert (await quotas.reserve()).status_code == 403
    await quotas.sql("UPDATE files SET status = 'deleted' WHERE file_id = $1", file_id)
    assert (await quotas.reserve()).status_code == 200


async def test_uploads_side_by_side_get_exactly_what_there_is(quotas: Quotas) -> None:
    """Reserving, registering and giving back, all at once: never more than the quota, and at the end all of it."""
    await quotas.limit(files=7, size=70)

    async def upload(number: int) -> bool:
        file_id = new_id()
        if (await quotas.reserve(file_id)).status_code == 403:
            return False
        if number % 3 == 0:
            await quotas.release(file_id)
            return False
        await quotas.register(file_id)
        return True

    stored = 0
    for _ in range(3):
        stored += sum(await asyncio.gather(*(upload(number) for number in range(12))))
        assert stored == await quotas.sql("SELECT count(*) FROM files") <= 7
    stored += sum([await upload(1) for _ in range(7)])
    assert stored == 7
    assert details(await quotas.reserve())["used"] == "7"


async def test_clients_neither_reserve_nor_give_back(admin: Admin) -> None:
    headers = await admin.bearer("operator")
    body = {"principal": CLIENT, "bytes": 1}
    assert (await admin.http.put(_url(new_id()), json=body, headers=headers)).status_code == 401
    assert (await admin.http.delete(_url(new_id()), headers=headers)).status_code == 401


@pytest.mark.parametrize("body", [{"principal": "", "bytes": 1}, {"principal": CLIENT, "bytes": -1}, {"bytes": 1}])
async def test_a_reservation_that_means_nothing_is_refused(admin: Admin, body: dict[str, Any]) -> None:
    headers = await admin.bearer("ingester", resource="urn:artstore:internal")
    assert (await admin.http.put(_url(new_id()), json=body, headers=headers)).status_code == 400
