"""The audit log in the console: found, read, and taken along (requirements C4, C5)."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from admin_people import People
from admin_service.audit.log import Entry
from admin_service.console.audit_export import PAGE, Walk, rest, safe
from artstore_audit import Outcome
from console_support import Browser

START = datetime(2026, 1, 1, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)>\"'&{{7*7}}"


async def logged(people: People, *entries: dict[str, Any]) -> None:
    ordinary: dict[str, Any] = {
        "happened_at": START, "service": "x", "actor": "sa:a", "action": "file.changed", "outcome": Outcome.DONE,
    }  # fmt: skip
    async with people.store.transaction() as rows:
        await rows.audit.add([Entry(**ordinary | entry) for entry in entries])


async def test_entries_with_all_that_is_known_of_them(reader: Browser, people: People) -> None:
    details = {"reason": "слишком велик", "size": 5, "tags": ["ü"]}
    one = {"target": "отчёт.pdf", "address": "10.0.0.7", "request_id": "r-1", "details": details}
    await logged(people, one | {"outcome": Outcome.DENIED})
    text = await reader.page("audit", target="отчёт.pdf")
    for words in ("sa:a", "file.changed", "Denied", "10.0.0.7", "r-1", "слишком велик", '["ü"]'):
        assert words in text
    assert "2026-01-01 00:00:00" in text


async def test_filters_and_an_address_to_share(visitor: Browser, people: People) -> None:
    await logged(
        people,
        {"target": "first", "happened_at": START - timedelta(days=1)},
        {"target": "second", "actor": "sa:b", "outcome": Outcome.DENIED},
        {"target": "third", "action": "service_account.changed"},
    )
    for query, hits in (
        ({"actor": "sa:b"}, {"second"}),
        ({"action": "file."}, {"first", "second"}),
        ({"outcome": "denied", "target": "second"}, {"second"}),
        ({"since": "2025-12-31T00:00", "until": "2026-01-01T00:00"}, {"first"}),
        ({"since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00"}, {"second", "third"}),
        ({"service": "x", "request_id": "none"}, set()),
    ):
        text = await visitor.page("audit", **query)
        assert {name for name in ("first", "second", "third") if f">{name}</a>" in text} == hits, query
        for name, value in query.items():
            assert value in text, name
    assert "Nothing like that stands in the log" in await visitor.page("audit", actor="nobody")


async def test_what_is_wrong_stands_at_its_field(visitor: Browser) -> None:
    answer = await visitor.get("audit", since="yesterday")
    assert answer.status_code == 400
    assert re.search(r'id="since-hint" class="reason">', answer.text)
    assert (await visitor.get("audit", offset="-1")).status_code == 400


async def test_as_one_types_only_the_results_come(visitor: Browser) -> None:
    answer = await visitor.http.get("/admin/audit", params={"action": "sign_in."}, headers={"HX-Request": "true"})
    assert "<html" not in answer.text
    assert "sign_in.done" in answer.text
    assert 'hx-swap-oob="innerHTML:#found"' in answer.text


async def test_pages_stay_where_they_are_while_the_log_grows(visitor: Browser, people: People) -> None:
    await logged(people, *({"target": f"n{number:03}", "happened_at": START + timedelta(seconds=number)} for number in range(60)))  # fmt: skip
    first = await visitor.page("audit", service="x")
    assert "n059" in first
    assert "n009" not in first
    await logged(people, {"target": "late", "happened_at": START + timedelta(days=1)})
    on = re.search(r'rel="next" href="([^"]+)"', first)
    assert on
    second = (await visitor.http.get(on[1])).text
    assert [f"n{number:03}" in second for number in (10, 9, 0)] == [False, True, True]
    assert "late" not in second


async def test_csv_is_whole_and_calculates_nothing(visitor: Browser, people: People) -> None:
    formulas = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "x;=cmd|' /C calc'!A0", " =1", "\uff1d1"]
    await logged(people, *({"target": formula, "details": {"имя": formula}} for formula in formulas))
    answer = await visitor.get("audit/export.csv", service="x")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(r'attachment; filename="audit-\d{8}T\d{6}Z\.csv"', answer.headers["content-disposition"])
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"), newline="")))
    assert len(rows) == len(formulas)
    for row in rows:
        assert not re.search(r"(^|[;\t\r\n])\s*[=+@\-\uff1d]", row["target"]), row
        assert "имя" in row["details"]
        assert row["happened_at"].startswith("2026-01-01T00:00:00")


def test_text_that_is_no_formula_stays_as_it_is() -> None:
    for text in ("", "plain", "a=b", "1-2", "sa:a", '{"a": -1, "b": "=1"}', "2026-01-01T00:00:00Z"):
        assert safe(text) == text


async def test_json_is_whole_and_exact(reader: Browser, people: People) -> None:
    await logged(people, {"target": "=1+1", "details": {"n": 1}}, {"target": "отчёт", "outcome": Outcome.DENIED})
    answer = await reader.get("audit/export.json", service="x", outcome="done")
    assert answer.headers["content-type"] == "application/json"
    (entry,) = json.loads(answer.text)
    assert (entry["target"], entry["details"], entry["outcome"]) == ("=1+1", {"n": 1}, "done")
    assert json.loads((await reader.get("audit/export.json", service="nobody")).text) == []


async def test_a_file_that_is_refused_is_a_page(visitor: Browser) -> None:
    assert (await visitor.get("audit/export.csv", since="yesterday")).status_code == 400
    assert (await visitor.get("audit/export.xml")).status_code == 404
    await visitor.send("sign-out", form="password")
    assert (await visitor.get("audit/export.csv")).headers["location"].startswith("/admin/sign-in")


async def test_long_logs_come_page_by_page(visitor: Browser, people: People) -> None:
    """Among them many of one and the same moment, as one report brings them, over the edge of a page."""
    moments = [START + timedelta(seconds=number // 700) for number in range(2300)]
    await logged(people, *({"target": str(number), "happened_at": moment} for number, moment in enumerate(moments)))
    entries = json.loads((await visitor.get("audit/export.json", service="x")).text)
    assert sorted(int(entry["target"]) for entry in entries) == list(range(2300))
    assert entries == sorted(entries, key=lambda entry: (entry["happened_at"], entry["id"]), reverse=True)


class Log:
    """Answers as the API does, from a list, and grows with every question."""

    def __init__(self, moments: list[str]) -> None:
        self.entries: list[dict[str, Any]] = [
            {"id": number, "happened_at": moment} for number, moment in enumerate(moments)
        ]
        self.offsets: list[int] = []

    async def get(self, path: str, **params: Any) -> Any:
        assert path == "/api/v1/audit"
        self.offsets.append(params["offset"])
        newest = params.get("newest_id", len(self.entries) - 1)
        until = datetime.fromisoformat(params["until"]) if "until" in params else datetime.max.replace(tzinfo=UTC)
        hits = [one for one in self.entries if datetime.fromisoformat(one["happened_at"]) < until and one["id"] <= newest]  # fmt: skip
        hits.sort(key=lambda one: (one["happened_at"], one["id"]), reverse=True)
        self.entries.append({"id": len(self.entries), "happened_at": START.isoformat()})
        return {"items": hits[params["offset"] : params["offset"] + params["limit"]], "newest_id": newest}


async def test_a_walk_begins_every_page_where_the_last_one_ended() -> None:
    log = Log([(START + timedelta(microseconds=number)).isoformat() for number in range(3 * PAGE)])
    walk = Walk(log, "/api/v1/audit", {})
    seen = [entry["id"] async for page in rest(walk, await walk.page()) for entry in page]
    assert seen == list(reversed(range(3 * PAGE)))
    assert log.offsets == [0, 1, 1, 1]


async def test_a_walk_gets_through_a_moment_longer_than_a_page() -> None:
    log = Log([START.isoformat()] * (2 * PAGE + 5))
    walk = Walk(log, "/api/v1/audit", {})
    seen = [entry["id"] async for page in rest(walk, await walk.page()) for entry in page]
    assert seen == list(reversed(range(2 * PAGE + 5)))


async def test_hostile_entries_are_only_text(visitor: Browser, people: People) -> None:
    await logged(people, {"target": HOSTILE, "actor": HOSTILE, "action": "x." + HOSTILE, "request_id": HOSTILE, "details": {HOSTILE: [HOSTILE]}})  # fmt: skip
    answer = await visitor.get("audit", service="x")
    assert "<img" not in answer.text
    assert answer.text.count("{{7*7}}") >= 5
    assert "<img" not in (await visitor.get("audit", actor=HOSTILE, target=HOSTILE)).text
