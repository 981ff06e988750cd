"""Pages, counts and cursors."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from artstore_testing.postgres import Database
from query_support import NOW, Query, Row

MANY = 23


@pytest.fixture
async def many(query: Query) -> Query:
    # Pairs that are equal in every sort key: only the id parts them.
    rows = [
        Row(f"смета-{number // 2}.pdf", size=number // 2, uploaded_at=NOW + timedelta(hours=number // 2))
        for number in range(MANY)
    ]
    await query.registry.add(*rows)
    return query


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("key", ["uploaded_at", "original_filename", "size", "relevance"])
async def test_a_cursor_walks_over_every_row_once(many: Query, key: str, order: str) -> None:
    body: dict[str, Any] = {"sort_by": key, "sort_order": order, "limit": 5}
    if key == "relevance":
        body |= {"query": "сметы", "mode": "fulltext"}
    whole = [item["file_id"] for item in (await many.search(**body | {"limit": 100}))["items"]]
    walked: list[str] = []
    cursor = None
    for _ in range(MANY):
        page = await many.search(**body, cursor=cursor)
        walked += [item["file_id"] for item in page["items"]]
        assert page["total"] == MANY
        cursor = page["next_cursor"]
        assert page["has_more"] == (cursor is not None)
        if cursor is None:
            break
    assert len(whole) == MANY
    assert walked == whole


async def test_offsets_page_too(many: Query) -> None:
    page = await many.search(limit=10, offset=20)
    assert (len(page["items"]), page["total"], page["offset"], page["has_more"]) == (3, MANY, 20, False)
    beyond = await many.search(limit=10, offset=100)
    assert (beyond["items"], beyond["total"], beyond["has_more"], beyond["next_cursor"]) == ([], MANY, False, None)


async def test_a_cursor_of_another_search_is_refused(many: Query) -> None:
    cursor = (await many.search(limit=5))["next_cursor"]
    for body in ({"sort_order": "asc"}, {"sort_by": "size"}, {"min_size": 1}, {"offset": 1}):
        error = (await many.search(400, cursor=cursor, limit=5, **body))["error"]
        assert "cursor" in error["details"]


async def test_totals_are_exact_to_ten_thousand_and_beyond_on_demand(query: Query, migrated: Database) -> None:
    connection = await asyncpg.connect(migrated.url())
    await connection.execute(
        "INSERT INTO files (file_id, storage_element_id, original_filename, content_type, size, checksum, uploaded_by,"
        " uploaded_at, status, retention_policy, revision) SELECT gen_random_uuid(), 'se-rw-1', n || '.txt',"
        " 'text/plain', n, repeat('0', 64), 'sa:x', now(), 'active', 'permanent', 1 FROM generate_series(1, 12000) n"
    )
    await connection.execute("ANALYZE files")
    await connection.close()
    few = await query.search(max_size=10_000, limit=1)
    assert (few["total"], few["total_exact"]) == (10_000, True)
    many = await query.search(limit=1)
    assert many["total"] > 10_000
    assert many["total_exact"] is False
    exact = await query.search(limit=1, exact_total=True)
    assert (exact["total"], exact["total_exact"]) == (12_000, True)
