"""Pages, counts and cursors."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from artstore_testing.postgres import Database
from query_service.search.cursor import _digest
from query_service.search.request import SearchRequest
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
    await _walks_over_all(many, body)


@pytest.mark.parametrize(
    "asked",
    [{"query": "смет", "mode": "partial"}, {"query": "семта", "mode": "partial"}, {"query": "сме", "mode": "fulltext"}],
)
async def test_a_cursor_walks_over_what_is_only_like_what_was_asked_for(many: Query, asked: dict[str, Any]) -> None:
    await _walks_over_all(many, asked | {"limit": 5})
    await _walks_over_all(many, asked | {"limit": 5, "sort_by": "size"})


async def _walks_over_all(many: Query, body: dict[str, Any]) -> None:
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


async def test_an_offset_is_bounded(many: Query) -> None:
    assert (await many.search(offset=100_000))["items"] == []
    assert (await many.search(400, offset=100_001))["error"]["details"].keys() == {"offset"}


async def test_a_cursor_of_another_search_is_refused(many: Query) -> None:
    cursor = (await many.search(limit=5))["next_cursor"]
    for body in ({"sort_order": "asc"}, {"sort_by": "size"}, {"min_size": 1}, {"offset": 1}):
        error = (await many.search(400, cursor=cursor, limit=5, **body))["error"]
        assert "cursor" in error["details"]


@pytest.mark.parametrize(
    ("sort_by", "key"),
    [
        ("uploaded_at", "0001-01-01T00:00:00+14:00"),
        ("uploaded_at", "9999-12-31T23:59:59-14:00"),
        ("uploaded_at", "2026-01-01T00:00:00"),
        ("uploaded_at", 5),
        ("original_filename", "a\x00"),
        ("original_filename", "\ud800"),
        ("size", 2**63),
        ("size", True),
        ("relevance", 10**400),
        ("relevance", 1e300),
        ("relevance", 1e-300),
        ("relevance", "1"),
    ],
)
async def test_a_forged_cursor_is_refused(many: Query, sort_by: str, key: object) -> None:
    body = {"sort_by": sort_by, "limit": 5, "query": "a"}
    digest = _digest(SearchRequest.model_validate(body))
    text = json.dumps([digest, key, uuid4().hex, False])
    forged = base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
    error = (await many.search(400, cursor=forged, **body))["error"]
    assert error["details"].keys() == {"cursor"}


async def test_a_cursor_cannot_loosen_what_may_not_be(many: Query) -> None:
    body = {"limit": 5, "query": "смета-1", "mode": "exact"}
    digest = _digest(SearchRequest.model_validate(body))
    text = json.dumps([digest, NOW.isoformat(), uuid4().hex, True])
    forged = base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
    assert (await many.search(400, cursor=forged, **body))["error"]["details"].keys() == {"cursor"}


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
