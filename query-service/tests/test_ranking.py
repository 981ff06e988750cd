"""Relevance costs no more however many files are found, and its list still holds every one of them once."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from artstore_testing.postgres import Database
from query_service.db.conditions import WORDS_IN_NAME, compose, relevance
from query_service.db.queries import query as statement
from query_service.db.search import EXACT_UP_TO, RANKED
from query_service.search.request import SearchRequest
from query_support import NOW, Query, Row

MANY = RANKED + 300
_FILES = """
INSERT INTO files (file_id, storage_element_id, original_filename, content_type, size, checksum, uploaded_by,
    uploaded_at, status, retention_policy, revision, description)
SELECT gen_random_uuid(), 'se-rw-1', n || '.txt', 'text/plain', n, repeat('0', 64), 'sa:x',
    now() - n * interval '1 minute', 'active', 'permanent', 1, 'о договоре поставки'
FROM generate_series(1, $1::int) n
"""


@pytest.fixture
async def many(query: Query, migrated: Database) -> Query:
    connection = await asyncpg.connect(migrated.url())
    await connection.execute(_FILES, MANY)
    await connection.execute("ANALYZE files")
    await connection.close()
    return query


async def test_all_are_ranked_up_to_a_number(many: Query) -> None:
    few = await many.search(query="договор", max_size=RANKED, limit=1)
    assert (few["total"], few["ranking_exact"]) == (RANKED, True)
    more = await many.search(query="договор", max_size=RANKED + 1, limit=1)
    assert (more["total"], more["ranking_exact"]) == (RANKED + 1, False)
    by_time = await many.search(query="договор", sort_by="uploaded_at", limit=1)
    assert by_time["ranking_exact"] is True


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_a_cursor_walks_over_ranked_and_unranked(many: Query, order: str) -> None:
    body: dict[str, Any] = {"query": "договор", "sort_order": order, "limit": 170}
    walked, cursor = [], None
    while True:
        page = await many.search(**body, cursor=cursor)
        walked += [(item["relevance_score"], item["file_id"]) for item in page["items"]]
        assert page["total"] == MANY
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len({file_id for _, file_id in walked}) == len(walked) == MANY
    assert walked == sorted(walked, reverse=order == "desc")
    assert sum(score > 1e-9 for score, _ in walked) == RANKED
    by_offset = await many.search(**body | {"limit": 100}, offset=RANKED - 50)
    assert [item["file_id"] for item in by_offset["items"]] == [one for _, one in walked[RANKED - 50 : RANKED + 50]]


async def test_an_old_file_with_the_words_in_its_name_is_still_first(many: Query) -> None:
    old = Row("Договоры поставки 2015.pdf", uploaded_at=NOW - timedelta(days=4000))
    older = Row("Договор аренды.pdf", uploaded_at=NOW - timedelta(days=5000))
    await many.registry.add(old, older)
    page = await many.search(query="договор поставки or аренды", limit=5)
    first = {item["original_filename"] for item in page["items"][:2]}
    assert first == {old.original_filename, older.original_filename}


async def test_only_so_many_are_taken_apart(many: Query, migrated: Database) -> None:
    """What bounds the time: the rows that are ranked, and that the index finds the others without looking into them."""
    assert (await many.search(query="договор", limit=1))["total"] == MANY
    request = SearchRequest(query="договор")
    composed = compose(request, None)
    sql = statement(
        "search_ranked",
        words_in_name=WORDS_IN_NAME,
        relevance=relevance(request),
        conditions=composed.conditions,
        listed="SELECT file_id, sort_key FROM ranked",
        after=composed.after,
        direction="DESC",
        marked_filename="NULL",
        marked_description="NULL",
    ).text
    values = {":web_query": "'договор'", ":newest_limit": EXACT_UP_TO, ":ranked_limit": RANKED, ":count_limit": 10_001}
    for name, value in (values | {":limit": 101, ":offset": 0}).items():
        sql = sql.replace(name, str(value))
    connection = await asyncpg.connect(migrated.url("artstore_query"))
    plan = json.loads(await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}"))[0]["Plan"]
    await connection.close()
    parts = {node["Subplan Name"]: node for node in nodes(plan) if "Subplan Name" in node}
    assert parts["CTE newest"]["Actual Rows"] == MANY
    assert parts["CTE ranked"]["Actual Rows"] == RANKED
    used = {node.get("Index Name") for node in nodes(parts["CTE newest"])}
    assert "files_uploaded_at_idx" not in used


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in nodes(child))]
