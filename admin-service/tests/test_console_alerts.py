"""What of the facts somebody is told to do something about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from admin_service.console.overview.alerts import Alert, alerts
from admin_service.console.overview.facts import Element, Facts, _element, _of_elements, _with
from artstore_core.errors import StorageUnavailable

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
OK = {"status": "ok", "dependencies": {}}
WELL = Facts(
    elements=[],
    elements_in_all=0,
    totals={"files": 0, "bytes": 0, "elements": [], "days": []},
    jobs={"waiting": 0, "converting": 0, "failed": 0},
    events=[],
    secrets=[],
    services={"admin": OK, "query": OK},
)


def element(storage_id: str = "se-1", **about: Any) -> Element:
    row = {
        "storage_id": storage_id,
        "status": "online",
        "mode": "rw",
        "version": "1",
        "description": None,
        "capacity_bytes": 100,
        "used_bytes": 10,
        "available_bytes": 90,
        "last_error": None,
        "created_at": "2026-01-01T00:00:00Z",
        "last_seen_at": "2026-11-22T11:59:59Z",
    }
    return _element({**row, **about})


def found(*elements: Element, **facts: Any) -> list[Alert]:
    return alerts(replace(WELL, elements=elements, **facts), NOW)


def kinds(*elements: Element, **facts: Any) -> list[tuple[str, str]]:
    return [(alert.kind, alert.level) for alert in found(*elements, **facts)]


class Asked:
    """An API that answers of one element and refuses for the other."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def get(self, path: str, **_params: Any) -> Any:
        self.paths.append(path)
        if "se-away" in path:
            raise StorageUnavailable("away")
        if path.endswith("/syncs"):
            return {"items": [{"status": "succeeded", "error": None, "files_refused": 1, "conflicts": 2, "id": "x"}]}
        counts = {"checksum_mismatch": 2, "healed": 5, "orphaned_data": 1, "data_missing": 1}
        return {"finished_at": None, "started_at": "2026-11-22T10:00:00Z", "counts": counts}


async def test_what_a_scrub_found_is_damage_unless_it_was_mended_or_nobodys() -> None:
    one, away, offline = element(), element("se-away"), element("se-off", status="offline")
    asked = Asked()
    more = await _of_elements(asked, [one, away, offline])  # type: ignore[arg-type]
    assert "/api/v1/storage-elements/se-off/scrub" not in asked.paths
    assert set(more.scrubs) == {"se-1"}
    told = {alert.kind: alert.told for alert in found(_with(one, more), _with(away, more))}
    assert told == {
        "damage": {"files": 0, "findings": 3, "at": "2026-11-22T10:00:00Z"},
        "left-out": {"files": 3},
    }


def test_nothing_is_said_while_all_is_well() -> None:
    assert kinds(element(), element("se-2", mode="ar", available_bytes=0)) == []
    assert kinds() == [("no-elements", "warn")]


def test_room() -> None:
    assert kinds(element(available_bytes=16)) == []
    assert kinds(element(available_bytes=15)) == [("full", "warn")]
    assert kinds(element(available_bytes=5)) == [("full", "bad")]
    assert kinds(element(available_bytes=0)) == [("nowhere", "bad"), ("full", "bad")]
    assert kinds(element(capacity_bytes=None, available_bytes=None, mode=None)) == [("nowhere", "bad")]


def test_a_sync_of_an_element_that_is_away_needs_no_words_of_its_own() -> None:
    failed = {"status": "failed", "error": "it cannot be reached", "files_refused": 0, "conflicts": 0}
    assert kinds(replace(element(), sync=failed)) == [("sync", "warn")]
    assert kinds(replace(element(status="offline"), sync=failed), element("se-2")) == [("offline", "bad")]


def test_services() -> None:
    away = {"status": "degraded", "reason": "se-1 does not answer"}
    elements_away = {"status": "degraded", "dependencies": {"storage_elements": away}}
    offline, well = element(status="offline"), element("se-2")
    assert kinds(offline, well, services={"query": elements_away}) == [("offline", "bad")]
    assert kinds(well, services={"query": elements_away}) == [("service-unwell", "warn")]
    other = {"status": "fail", "dependencies": {**elements_away["dependencies"], "postgresql": away}}  # type: ignore[dict-item]
    assert kinds(well, services={"query": other}) == [("service-unwell", "bad")]
    assert kinds(well, services={"query": None}) == [("service-silent", "bad")]


def test_what_cannot_be_learnt_is_no_news_of_health() -> None:
    gaps = {"totals": None, "jobs": None, "events": None, "secrets": None}
    assert [alert.subject for alert in found(element(), **gaps)] == ["totals", "jobs", "events", "secrets"]
    unknown = alerts(replace(WELL, elements=None), NOW)
    assert [(alert.kind, alert.subject) for alert in unknown] == [("unknown", "elements")]


def test_secrets_the_first_to_expire_first_and_the_urgent_ones_before() -> None:
    secrets = [
        {"id": "1", "name": "later", "secret_expires_at": "2026-12-01T00:00:00Z"},
        {"id": "2", "name": "over", "secret_expires_at": "2026-11-22T12:00:00Z"},
        {"id": "3", "name": "sooner", "secret_expires_at": "2026-11-23T00:00:00Z"},
    ]
    told = [(alert.kind, alert.told["name"]) for alert in found(element(), secrets=secrets)]
    assert told == [("secret-expired", "over"), ("secret", "sooner"), ("secret", "later")]


def test_only_what_is_shown_makes_facts_differ() -> None:
    assert element(last_seen_at="2026-11-22T11:00:00Z") == element()
    assert element(used_bytes=11) != element()
