"""Memory and the registry's events: a change is seen within a second, and a database that is away is lived through."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from artstore_testing.postgres import Database
from artstore_testing.tokens import TokenIssuer
from cuttable import Cuttable, cuttable
from pydantic import SecretStr
from query_service.config import Settings
from query_support import Query, Row, eventually, running_query
from stored_support import CONTENT, ELEMENT, Stored, row_of, store, stored_file


@pytest.fixture
async def way(migrated: Database, tmp_path: Path) -> AsyncIterator[Cuttable]:
    async with cuttable(migrated, tmp_path) as found:
        yield found


@pytest.fixture
def through(settings: Settings, way: Cuttable) -> Settings:
    return settings.model_copy(update={"database_url": SecretStr(way.database.url("artstore_query"))})


async def revision(query: Query, row: Row) -> int:
    answer = await query.get(f"/api/v1/files/{row.file_id}")
    assert answer.status_code == 200, answer.text
    return int(answer.json()["revision"])


async def seen_after(query: Query, row: Row, wanted: int) -> float:
    async def seen() -> bool:
        return await revision(query, row) == wanted

    begun = time.monotonic()
    await eventually(seen, 20, every=0.005)
    return time.monotonic() - begun


async def caught_up(query: Query) -> None:
    """All that happened before is heard: events come in their order, and another file's come after those. What is seen
    of that file may each time be owed to an event from before, of which there are no more than four."""
    mark = Row()
    await query.registry.add(mark)
    for wanted in range(2, 7):
        await revision(query, mark)
        await query.registry.change("UPDATE files SET revision = $1 WHERE file_id = $2", wanted, mark.file_id)
        await seen_after(query, mark, wanted)


async def test_a_change_is_seen_within_a_second(query: Query) -> None:
    row = Row()
    await query.registry.add(row)
    waits = []
    for wanted in range(2, 7):
        await revision(query, row)
        await query.registry.change("UPDATE files SET revision = $1 WHERE file_id = $2", wanted, row.file_id)
        waits.append(await seen_after(query, row, wanted))
    assert max(waits) < 1


async def test_a_deletion_and_an_elements_new_mode_are_seen_too(query: Query) -> None:
    row = Row()
    await query.registry.add(row)
    await revision(query, row)

    async def archived() -> bool:
        return (await query.get(f"/api/v1/files/{row.file_id}/download")).status_code == 409

    async def gone() -> bool:
        return (await query.get(f"/api/v1/files/{row.file_id}")).status_code == 404

    await query.registry.element("se-rw-1", "http://127.0.0.1:2", mode="ar")
    await eventually(archived, 1)
    await query.registry.change("UPDATE files SET status = 'deleted' WHERE file_id = $1", row.file_id)
    await eventually(gone, 1)


async def test_what_changed_while_the_events_were_cut_off_is_seen_after(
    through: Settings, way: Cuttable, migrated: Database, issuer: TokenIssuer
) -> None:
    row = Row()
    async with running_query(through, migrated, issuer) as query:
        await query.registry.add(row)
        await caught_up(query)
        assert await revision(query, row) == 1
        await way.cut()
        await query.registry.change("UPDATE files SET revision = 2 WHERE file_id = $1", row.file_id)
        assert await revision(query, row) == 1
        await way.mend()
        assert await seen_after(query, row, 2) < 5


@pytest.fixture
async def stored_through(
    through: Settings, migrated: Database, issuer: TokenIssuer, tmp_path: Path
) -> AsyncIterator[Stored]:
    async with stored_file(
        through.model_copy(update={"cache_seconds": 3}), migrated, issuer, tmp_path / "data"
    ) as found:
        yield found


async def test_a_database_that_is_away_leaves_what_is_in_memory(
    stored_through: Stored, way: Cuttable, issuer: TokenIssuer
) -> None:
    stored = stored_through
    other = row_of("b.pdf", b"other", ELEMENT)
    await stored.registry.add(other)
    await store(stored.element, other, issuer, b"other")
    await caught_up(Query(stored.http, stored.registry, issuer))
    assert (await stored.get()).status_code == 200
    await way.cut()
    described, elsewhere = f"/api/v1/files/{stored.row.file_id}", f"/api/v1/files/{other.file_id}"

    async def status(method: str, path: str) -> int:
        answer = await stored.http.request(method, path, headers=stored.headers, json={} if method == "POST" else None)
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) > 0
        return answer.status_code

    assert (await stored.get()).content == CONTENT
    assert (await stored.get(Range="bytes=5-9")).content == CONTENT[5:10]
    assert await status("GET", described) == 200
    assert await status("POST", f"{described}/links") == 200
    assert await status("GET", elsewhere) == 503
    assert await status("GET", f"{elsewhere}/download") == 503
    assert await status("POST", "/api/v1/search") == 503

    async def forgotten() -> bool:
        return await status("GET", described) == 503

    await eventually(forgotten)
    assert (await stored.get()).status_code == 503
    await way.mend()
    assert (await stored.get()).content == CONTENT
    assert await status("POST", "/api/v1/search") == 200
    assert await status("GET", f"{elsewhere}/download") == 200
    # The server stops in this thread's time, and then nobody would pass anything on.
    await way.cut()
