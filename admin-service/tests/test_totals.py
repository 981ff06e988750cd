"""Files and bytes of the registry: now, on each element, by day (the console's figures)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from admin_people import MovedClock, People
from admin_service.identity.quota import Usage
from admin_service.registry.totals import DAYS, Counted, Totalling
from artstore_core.errors import AdminUnavailable
from artstore_core.files import FileStatus
from artstore_core.ids import new_id
from element_world import FILES, INTERNAL

TOTALS = "/api/v1/registry/totals"
TODAY = datetime(2026, 11, 22, 12, tzinfo=UTC)


def file(**about: Any) -> dict[str, Any]:
    return {
        "file_id": str(new_id()),
        "storage_element_id": "se-rw-1",
        "original_filename": "a.txt",
        "content_type": "text/plain",
        "size": 100,
        "checksum": "0" * 64,
        "uploaded_by": "sa:sa_client_1",
        "uploaded_at": "2026-11-21T23:59:59Z",
        "retention_policy": "permanent",
        **about,
    }


async def register(people: People, *files: dict[str, Any]) -> None:
    headers = await people.bearer("ingester", resource=INTERNAL)
    for one in files:
        assert (await people.http.post(FILES, json=one, headers=headers)).status_code == 201


async def test_by_element_and_by_day_without_what_is_deleted(people: People, clock: MovedClock) -> None:
    now = clock()
    yesterday = (now - timedelta(days=1)).isoformat()
    await register(
        people,
        file(uploaded_at="2001-01-01T00:00:00Z"),
        file(uploaded_at=yesterday, storage_element_id="se-edit-1", status="damaged", uploaded_by="user:admin"),
        file(uploaded_at=now.isoformat(), size=7),
        file(uploaded_at=now.isoformat(), status="deleted"),
    )
    answer = await people.http.get(TOTALS, headers=await people.bearer())
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["files"], found["bytes"]) == (3, 207)
    assert found["elements"] == [
        {"storage_id": "se-edit-1", "files": 1, "bytes": 100, "damaged": 1},
        {"storage_id": "se-rw-1", "files": 2, "bytes": 107, "damaged": 0},
    ]
    assert len(found["days"]) == DAYS
    assert [day["bytes"] for day in found["days"][-3:]] == [100, 200, 207]
    assert found["days"][0]["files"] == 1
    assert found["days"][-1]["day"] == now.astimezone(UTC).date().isoformat()


async def test_an_empty_registry_has_figures_too(people: People) -> None:
    found = (await people.http.get(TOTALS, headers=await people.bearer())).json()
    assert (found["files"], found["bytes"], found["elements"]) == (0, 0, [])
    assert {day["files"] for day in found["days"]} == {0}


async def test_accounts_whose_secret_has_expired_by_then(people: People) -> None:
    headers, path = await people.bearer(), "/api/v1/service-accounts"
    for days in (0, 5, 90):
        body = {"name": f"for {days} days", "scopes": ["files:read"], "expires_in_days": days}
        assert (await people.http.post(path, json=body, headers=headers)).status_code == 201
    until = (datetime.now(UTC) + timedelta(days=14)).isoformat()
    found = (await people.http.get(path, params={"secret_expires_until": until}, headers=headers)).json()
    assert [one["name"] for one in found["items"]] == ["for 5 days"]
    assert found["total"] == 1


@dataclass
class Table:
    """Counts how often it was counted; `fails` and `goes_on` say how that ends."""

    found: Sequence[Counted] = ()
    counts: int = 0
    fails: bool = False
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def totals(self) -> Table:
        return self

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Table]:
        yield self

    async def now(self) -> Usage:
        return Usage()

    async def count(self, _since: datetime) -> Sequence[Counted]:
        self.counts += 1
        self.begun.set()
        await self.goes_on.wait()
        if self.fails:
            raise AdminUnavailable("away")
        return self.found


def counted(files: int, day: date | None = None) -> Counted:
    return Counted("se-1", FileStatus.ACTIVE, day, files, files)


@dataclass
class Timer:
    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


async def test_counted_once_for_all_who_ask_and_the_last_answer_meanwhile() -> None:
    table, timer = Table([counted(1)]), Timer()
    totals = Totalling(table.transaction, lambda: TODAY, timer=timer)
    asking = [asyncio.create_task(totals.counted()) for _ in range(5)]
    await table.begun.wait()
    asking[0].cancel()
    timer.seconds = 2
    table.goes_on.set()
    answers = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert table.counts == 1
    table.goes_on.clear()
    timer.seconds = 201.0
    assert (await totals.counted()) is answers[1]
    await asyncio.sleep(0)
    assert table.counts == 1, "it took 2 s: not again within 200 s"
    timer.seconds = 203
    table.found = [counted(2)]
    assert (await totals.counted()) is answers[1]
    table.goes_on.set()
    for _ in range(10):
        await asyncio.sleep(0)
    assert (await totals.counted()) is not answers[1]
    assert table.counts == 2
    await totals.close()


async def test_without_the_database_it_says_so_and_tries_again() -> None:
    table = Table([counted(3, date(2026, 11, 23)), counted(1)], fails=True)
    table.goes_on.set()
    totals = Totalling(table.transaction, lambda: TODAY)
    with pytest.raises(AdminUnavailable):
        await totals.counted()
    table.fails = False
    found = await totals.counted()
    assert [day.files for day in found.days] == [1] * (DAYS - 1) + [4], "what is dated tomorrow is there today"
    await totals.close()


async def test_closing_ends_a_count() -> None:
    totals = Totalling(Table().transaction, lambda: TODAY)
    asking = asyncio.create_task(totals.counted())
    await asyncio.sleep(0)
    await totals.close()
    with pytest.raises(asyncio.CancelledError):
        await asking
