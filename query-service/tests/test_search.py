"""Search on a real PostgreSQL: words of two languages, every filter, every order (requirements Q1, Q2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from artstore_testing.postgres import PostgresServer
from artstore_testing.tokens import TokenIssuer
from query_support import NOW, Query, Row, migrate, running_query, settings_for, temporary

REPORT = Row(
    "Годовой_отчёт-2025.final.pdf",
    description="Итоги года: прибыль выросла, убытков нет",
    tags=["сканы", "бухгалтерия"],
    metadata={"project": "north", "pages": 12, "author": {"name": "Ёлкина"}},
    size=5_000,
    uploaded_at=NOW,
)
HOUSES = Row(
    "houses.JPG",
    content_type="image/jpeg",
    description="Running children in front of old houses <b>",
    tags=["сканы"],
    metadata={"project": "south"},
    size=3_000_000_000,
    uploaded_by="user:anna",
    uploaded_at=NOW - timedelta(days=1),
)
NOTES = Row("100%_notes.txt", content_type="text/plain", tags=["заметки"], size=1, uploaded_at=NOW - timedelta(days=2))


@pytest.fixture(scope="module")
async def stocked(
    postgres: PostgresServer, issuer: TokenIssuer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Query]:
    """One for all: these tests only read."""
    with postgres.database() as database:
        await asyncio.to_thread(migrate, postgres, database)
        async with running_query(
            settings_for(database, issuer, tmp_path_factory.mktemp("query")), database, issuer
        ) as query:
            await query.registry.add(REPORT, HOUSES, NOTES)
            yield query


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("отчет", REPORT),
        ("отчёты", REPORT),
        ("ГОДОВЫЕ отчетов", REPORT),
        ("годовой 2025", REPORT),
        ("final", REPORT),
        ("отчёт-2025", REPORT),
        ('"годовой отчёт"', REPORT),
        ("итогам", REPORT),
        ("бухгалтерии", REPORT),
        ("елкина", REPORT),
        ("north", REPORT),
        ("отчёт or зебра", REPORT),
        ("отчёт -черновик", REPORT),
        ('отчёт -"отчёт годовой"', REPORT),
        ("run house", HOUSES),
        ("house", HOUSES),
        ("jpg", HOUSES),
        ("заметка", NOTES),
        ("годовой отч", REPORT),
        ("hous", HOUSES),
    ],
)
async def test_fulltext_finds_words_in_any_form(stocked: Query, words: str, found: Row) -> None:
    assert await stocked.names(query=words, mode="fulltext") == [found.original_filename]


@pytest.mark.parametrize(
    "words",
    [
        "зебра",
        "отчёт -итоги",
        '"отчёт годовой"',
        "!!!",
        "-",
        '"',
        "' OR 1=1 --",
        "от",
        "отч -final",
        'отчёт -"годовой отчёт"',
    ],
)
async def test_fulltext_finds_nothing_where_there_is_nothing(stocked: Query, words: str) -> None:
    assert await stocked.names(query=words, mode="fulltext") == []


async def test_stop_words_alone_are_searched_as_plain_words(stocked: Query) -> None:
    assert await stocked.names(query="in of", mode="fulltext") == [HOUSES.original_filename]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("тчёт", REPORT),
        ("ГОД 2025", REPORT),
        ("отчет-20", REPORT),
        ("0%_notes", NOTES),
        ("ouse", HOUSES),
        ("скан", None),
        ("год зебра", []),
        ("100 %", NOTES),
        ("0%_n", []),
        ("fi", REPORT),
        ("б", REPORT),
        ("in", HOUSES),
        ("ль", []),
    ],
)
async def test_partial_finds_parts_taken_literally(stocked: Query, words: str, found: Row | list[Row] | None) -> None:
    wanted = [REPORT, HOUSES] if found is None else [found] if isinstance(found, Row) else found
    by_time = await stocked.names(query=words, mode="partial", sort_by="uploaded_at")
    assert by_time == [row.original_filename for row in wanted]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("годовой_отчет-2025.final.PDF", [REPORT]),
        ("отчёт", []),
        ("заметки", [NOTES]),
        ("houses.jpg", [HOUSES]),
    ],
)
async def test_exact_means_the_whole_name_or_a_whole_tag(stocked: Query, words: str, found: list[Row]) -> None:
    assert await stocked.names(query=words, mode="exact") == [row.original_filename for row in found]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, [REPORT, HOUSES, NOTES]),
        ({"filename": "ОТЧЕТ"}, [REPORT]),
        ({"filename": "houses.jpg", "mode": "exact"}, [HOUSES]),
        ({"filename": "houses", "mode": "exact"}, []),
        ({"filename": "no"}, [NOTES]),
        ({"filename": "ot"}, []),
        ({"file_extension": "pdf"}, [REPORT]),
        ({"file_extension": ".jpg"}, [HOUSES]),
        ({"tags": ["сканы"]}, [REPORT, HOUSES]),
        ({"tags": ["сканы", "бухгалтерия"]}, [REPORT]),
        ({"tags": []}, [REPORT, HOUSES, NOTES]),
        ({"uploaded_by": "user:anna"}, [HOUSES]),
        ({"content_type": "text/plain"}, [NOTES]),
        ({"retention_policy": "temporary"}, []),
        ({"min_size": 5000}, [REPORT, HOUSES]),
        ({"max_size": 5000}, [REPORT, NOTES]),
        ({"min_size": 2**40}, []),
        ({"uploaded_after": "2026-11-20T12:00:00Z"}, [REPORT, HOUSES]),
        ({"uploaded_before": "2026-11-20T15:00:00+03:00"}, [NOTES]),
        ({"metadata": {"project": "north"}}, [REPORT]),
        ({"metadata": {"author": {"name": "Ёлкина"}}}, [REPORT]),
        ({"metadata": {"pages": "12"}}, []),
        ({"query": "скан", "mode": "partial", "max_size": 5000, "tags": ["бухгалтерия"]}, [REPORT]),
        ({"query": "  "}, [REPORT, HOUSES, NOTES]),
    ],
)
async def test_filters(stocked: Query, filters: dict[str, Any], found: list[Row]) -> None:
    assert await stocked.names(**filters) == [row.original_filename for row in found]


@pytest.mark.parametrize(
    ("order", "found"),
    [
        ({"sort_by": "uploaded_at", "sort_order": "asc"}, [NOTES, HOUSES, REPORT]),
        ({"sort_by": "size"}, [HOUSES, REPORT, NOTES]),
        ({"sort_by": "original_filename", "sort_order": "asc"}, [NOTES, HOUSES, REPORT]),
    ],
)
async def test_orders(stocked: Query, order: dict[str, Any], found: list[Row]) -> None:
    assert await stocked.names(**order) == [row.original_filename for row in found]


async def test_a_word_in_the_name_outranks_one_in_the_description(query: Query) -> None:
    await query.registry.add(
        Row("b.pdf", description="смета на ремонт"), Row("смета.pdf"), Row("c.pdf", tags=["смета"])
    )
    found = await query.search(query="сметы", mode="fulltext")
    assert [item["original_filename"] for item in found["items"]] == ["смета.pdf", "c.pdf", "b.pdf"]
    scores = [item["relevance_score"] for item in found["items"]]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] > 0


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("гадовой", REPORT),
        ("отчтё", REPORT),
        ("бухгалтрия финал", None),
        ("fianl", REPORT),
        ("housse", HOUSES),
        ("зебрра", None),
    ],
)
async def test_typing_errors_are_forgiven_in_names(stocked: Query, typed: str, name: Row | None) -> None:
    assert await stocked.names(query=typed, mode="partial") == ([name.original_filename] if name else [])
    assert await stocked.names(query=typed, mode="exact") == []


async def test_what_was_typed_rightly_is_not_mixed_with_what_is_like_it(query: Query) -> None:
    await query.registry.add(Row("договор.pdf"), Row("догвор.pdf"), Row("отчёты.pdf"), Row("отче наш.pdf"))
    assert await query.names(query="догвор", mode="partial") == ["догвор.pdf"]
    assert await query.names(query="отче", mode="fulltext") == ["отче наш.pdf"]


async def test_partial_ranks_the_name_above_the_rest_and_a_whole_word_above_a_part(query: Query) -> None:
    await query.registry.add(
        Row("переучёт.pdf"),
        Row("a.pdf", description="учёт склада"),
        Row("Учёт склада.pdf", uploaded_at=NOW - timedelta(days=9)),
    )
    assert await query.names(query="учёт", mode="partial") == ["Учёт склада.pdf", "переучёт.pdf", "a.pdf"]
    newest = await query.names(query="учёт", mode="partial", sort_by="uploaded_at")
    assert newest[-1] == "Учёт склада.pdf"


async def test_numbers_after_a_numero_sign_are_words(query: Query) -> None:
    await query.registry.add(Row("Договор №118 «Север».pdf", description="Акт № 45…"))
    for words in ("договор 118", "№118", "45", "север"):
        assert await query.names(query=words) == ["Договор №118 «Север».pdf"]
    (found,) = (await query.search(query="118 север акт"))["items"]
    marks = found["highlights"]
    assert marks["original_filename"] == ["Договор №<mark>118</mark> «<mark>Север</mark>».pdf"]
    assert marks["description"] == ["<mark>Акт</mark> № 45…"]


async def test_words_with_accents_are_marked_where_they_stand(query: Query) -> None:
    await query.registry.add(Row("Résumé_Müller.pdf", description="Straße nach Köln"))
    (found,) = (await query.search(query="resume muller strasse"))["items"]
    assert found["highlights"]["original_filename"] == ["<mark>Résumé</mark>_<mark>Müller</mark>.pdf"]


async def test_highlights_are_escaped_html_of_the_original_text(stocked: Query) -> None:
    (report,) = (await stocked.search(query="годового отчета", mode="fulltext"))["items"]
    assert report["highlights"]["original_filename"] == ["<mark>Годовой</mark>_<mark>отчёт</mark>-2025.final.pdf"]
    (houses,) = (await stocked.search(query="house", mode="fulltext"))["items"]
    assert houses["highlights"]["description"] == ["Running children in front of old <mark>houses</mark> &lt;b&gt;"]


async def test_only_ranked_answers_have_scores_and_highlights(stocked: Query) -> None:
    bodies: list[dict[str, Any]] = [{}, {"query": "отчет", "mode": "partial"}]
    for body in bodies:
        item = (await stocked.search(**body))["items"][0]
        assert "relevance_score" not in item
        assert "highlights" not in item
        assert item["expires_at"] is None


async def test_expired_and_deleted_files_hide_unless_status_asks(query: Query) -> None:
    await query.registry.add(
        temporary("late.pdf", days_left=-1),
        temporary("fresh.pdf", days_left=1),
        temporary("rotten.pdf", days_left=-1, status="damaged"),
        temporary("swept.pdf", days_left=-2, status="expired"),
        Row("gone.pdf", status="deleted"),
        Row("broken.pdf", status="damaged"),
    )
    order: dict[str, Any] = {"sort_by": "original_filename", "sort_order": "asc"}
    assert await query.names(**order) == ["broken.pdf", "fresh.pdf"]
    assert await query.names(status="active", **order) == ["fresh.pdf"]
    assert await query.names(status="damaged", **order) == ["broken.pdf"]
    assert await query.names(status="deleted", **order) == ["gone.pdf"]
    expired = await query.search(status="expired", facets=["status"], **order)
    assert [(item["original_filename"], item["status"]) for item in expired["items"]] == [
        ("late.pdf", "expired"),
        ("rotten.pdf", "expired"),
        ("swept.pdf", "expired"),
    ]
    assert expired["facets"]["status"] == [{"value": "expired", "count": 3}]


async def test_facets_count_all_hits_not_the_page(stocked: Query) -> None:
    found = await stocked.search(
        facets=["file_extension", "tags", "status", "year", "retention_policy", "content_type", "uploaded_by"], limit=1
    )
    assert found["facets"] == {
        "file_extension": [{"value": value, "count": 1} for value in ("jpg", "pdf", "txt")],
        "tags": [
            {"value": "сканы", "count": 2},
            {"value": "бухгалтерия", "count": 1},
            {"value": "заметки", "count": 1},
        ],
        "status": [{"value": "active", "count": 3}],
        "year": [{"value": "2026", "count": 3}],
        "retention_policy": [{"value": "permanent", "count": 3}],
        "content_type": [{"value": value, "count": 1} for value in ("application/pdf", "image/jpeg", "text/plain")],
        "uploaded_by": [{"value": "sa:sa_test_0001", "count": 2}, {"value": "user:anna", "count": 1}],
    }
    assert (await stocked.search())["facets"] == {}


@pytest.mark.parametrize(
    "body",
    [
        {"nonsense": 1},
        {"mode": "fuzzy"},
        {"limit": 0},
        {"limit": 1001},
        {"offset": -1},
        {"sort_by": "checksum"},
        {"sort_by": "relevance"},
        {"sort_by": "relevance", "query": "a", "mode": "exact"},
        {"sort_by": "relevance", "mode": "partial"},
        {"query": "%", "mode": "partial"},
        {"query": "\\ -", "mode": "partial"},
        {"query": "ʹ", "mode": "partial"},
        {"query": "-отчёт"},
        {"query": "house or -отчёт"},
        {"query": '-"годовой отчёт" -final'},
        {"query": " ".join("x" * 51)},
        {"facets": ["metadata"]},
        {"tags": "сканы"},
        {"metadata": "north"},
        {"metadata": []},
        {"query": "a\x00b"},
        {"query": "x" * 1001},
        {"query": " ".join("x" * 21), "mode": "partial"},
        {"filename": "\x00"},
        {"filename": "_"},
        {"filename": " - ", "mode": "partial"},
        {"uploaded_after": "yesterday"},
        {"uploaded_after": "2026-11-21T12:00:00"},
        {"min_size": -1},
        {"max_size": 2**63},
        {"status": "lost"},
        {"cursor": "???"},
        {"cursor": "bm9uc2Vuc2U"},
    ],
)
async def test_what_cannot_be_honoured_is_refused(stocked: Query, body: dict[str, Any]) -> None:
    answer = await stocked.http.post("/api/v1/search", json=body, headers=stocked.issuer.bearer())
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "VALIDATION_ERROR")
    assert error["details"]


async def test_lone_surrogates_are_refused(stocked: Query) -> None:
    for field in ("query", "filename", "uploaded_by", "file_extension", "tags", "metadata"):
        value = {"tags": b'["\\ud800"]', "metadata": b'{"a": "\\ud800"}'}.get(field, b'"\\ud800"')
        answer = await stocked.http.post(
            "/api/v1/search",
            content=b'{"%s": %s}' % (field.encode(), value),
            headers=stocked.issuer.bearer() | {"Content-Type": "application/json"},
        )
        assert answer.status_code == 400


async def test_a_token_of_the_right_scope_is_needed(query: Query) -> None:
    bare = await query.http.post("/api/v1/search", json={})
    assert bare.status_code == 401
    wrong = await query.http.post("/api/v1/search", json={}, headers=query.issuer.bearer(["files:write"]))
    assert wrong.status_code == 403
