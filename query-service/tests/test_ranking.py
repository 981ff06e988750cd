"""Relevance costs no more however many files are found, and its list still holds every one of them once."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from artstore_postgres.engine import make_engine
from artstore_testing.postgres import Database
from query_service.db import engine
from query_service.db.ranking import EXACT_UP_TO, RANKED
from query_service.db.search import SearchIndex
from query_service.search.request import SearchMode, SearchRequest
from query_service.search.service import Hits
from query_support import NOW, Query, Row
from sqlalchemy import event

MANY = RANKED + 300
_FILES = """
INSERT INTO files (file_id, storage_element_id, original_filename, content_type, size, checksum, uploaded_by,
    uploaded_at, status, retention_policy, revision, description)
SELECT gen_random_uuid(), 'se-rw-1', n || '.txt', 'text/plain', n, repeat('0', 64), 'sa:x',
    now() - n * interval '1 minute', 'active', 'permanent', 1, 'о договоре поставки'
FROM generate_series(1, $1::int) n
"""


async def fill(database: Database, count: int) -> None:
    connection = await asyncpg.connect(database.url())
    await connection.execute(_FILES, count)
    await connection.execute("ANALYZE files")
    await connection.close()


@pytest.fixture
async def many(query: Query, migrated: Database) -> Query:
    await fill(migrated, MANY)
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


@pytest.fixture
async def crowd(query: Query, migrated: Database) -> Query:
    await fill(migrated, 18_000)
    return query


@pytest.mark.usefixtures("crowd")
async def test_of_very_many_only_the_newest_are_read(migrated: Database) -> None:
    """What bounds the time: how many rows are read, and how many taken apart."""
    hits, read = await watched(migrated, SearchRequest(query="договор"))
    assert len(hits.hits) == 101
    assert (hits.total_exact, hits.ranking_exact) == (False, False)
    assert 14_000 < hits.total < 22_000
    assert EXACT_UP_TO < read["CTE hits"] < 16_000
    assert read["CTE ranked"] == RANKED


@pytest.mark.usefixtures("query")
async def test_of_a_phrase_that_very_many_have_few_are_taken_apart(migrated: Database) -> None:
    await fill(migrated, 26_000)
    hits, read = await watched(migrated, SearchRequest(query='"договоре поставки"'))
    assert len(hits.hits) == 101
    assert (hits.total_exact, hits.ranking_exact) == (False, False)
    assert 20_000 < hits.total < 32_000
    assert RANKED < read["CTE hits"] < 4_000


async def watched(database: Database, request: SearchRequest) -> tuple[Hits, dict[str, int]]:
    """What is found, and how many rows each part of the one ranking statement gave."""
    hits, plans = await explained(database, request, "search_ranked")
    assert len(plans) == 1
    return hits, {node["Subplan Name"]: node["Actual Rows"] for node in nodes(plans[0]) if "Subplan Name" in node}


async def explained(database: Database, request: SearchRequest, statement: str) -> tuple[Hits, list[dict[str, Any]]]:
    """What is found, and what PostgreSQL did for each statement of that name."""
    caught: list[tuple[str, tuple[Any, ...]]] = []
    made = make_engine(
        database.url("artstore_query"), application="test", pool_size=1, settings=engine.SETTINGS,
        isolation_level=engine.ISOLATION,
    )  # fmt: skip
    event.listen(made.sync_engine, "before_cursor_execute", lambda *given: caught.append((given[2], given[3])))
    hits = await SearchIndex(engine.Database(made), 60).search(request, None, request.limit + 1)
    await made.dispose()
    connection = await asyncpg.connect(database.url("artstore_query"), server_settings=engine.SETTINGS)
    plans = [
        json.loads(await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *values))[0]["Plan"]
        for sql, values in caught
        if statement in sql
    ]
    await connection.close()
    return hits, plans


async def test_for_what_no_file_has_files_are_not_looked_through(crowd: Query, migrated: Database) -> None:
    """The planner thinks that one file in two hundred has a tag that it does not know, and would walk the files until the page is
    full: to the last of them."""
    await crowd.registry.change("UPDATE files SET tags = ARRAY['договоры', 'сканы']")
    await crowd.registry.change("ANALYZE files")
    for unknown in (
        SearchRequest(query="нет такого", mode=SearchMode.EXACT, limit=1),
        SearchRequest(tags=["нет такого"], limit=1),
    ):
        hits, plans = await explained(migrated, unknown, "search_page")
        assert (hits.total, hits.total_exact) == (0, True)
        assert sum(node.get("Rows Removed by Filter", 0) for plan in plans for node in nodes(plan)) == 0


async def test_facets_of_very_many_are_of_the_newest(query: Query, migrated: Database) -> None:
    await fill(migrated, 26_000)
    found = await query.search(query="договор", facets=["content_type"], limit=1)
    counted = found["facets"]["content_type"][0]["count"]
    assert (found["facets_exact"], 8_000 < counted < 14_000) == (False, True)
    few = await query.search(query="договор", max_size=1000, facets=["content_type"], limit=1)
    assert (few["facets_exact"], few["facets"]["content_type"][0]["count"]) == (True, 1000)


async def test_a_wrong_guess_of_the_planner_changes_no_answer(crowd: Query) -> None:
    """It expects every hit among the newest: those have no such word, and the older ones are found all the same."""
    await crowd.registry.change("UPDATE files SET description = NULL WHERE size < 17990")
    asked: list[dict[str, Any]] = [
        {"query": "договор"},
        {"query": '"договор поставки"'},
        {"query": "дого", "mode": "partial"},
    ]
    for body in asked:
        found = await crowd.search(**body)
        assert (found["total"], found["total_exact"], found["ranking_exact"]) == (11, True, True)
        assert len(found["items"]) == 11
        assert (await crowd.search(**body, exact_total=True))["total"] == 11


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in nodes(child))]
