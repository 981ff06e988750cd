"""What of the facts somebody should do something about. The template has the words for each kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from admin_service.console.overview.facts import Element, Facts

NEARLY_FULL: Final = 0.85
FULL: Final = 0.95
BAD, WARN = "bad", "warn"
_GAPS: Final = ("elements", "totals", "jobs", "events", "secrets")

_OF_ELEMENTS: Final = "storage_elements"
"""What services call the elements among what they depend on."""


@dataclass(frozen=True, slots=True)
class Alert:
    """`subject` is the id of what it is about, for the link; `told` is what the words need."""

    kind: str
    level: str
    subject: str = ""
    told: Mapping[str, Any] = field(default_factory=dict)


def alerts(facts: Facts, now: datetime) -> list[Alert]:
    """The bad ones first."""
    found = [*_services(facts), *_elements(facts), *_secrets(facts, now), *_gaps(facts)]
    return sorted(found, key=lambda alert: alert.level != BAD)


def _services(facts: Facts) -> Iterator[Alert]:
    for name, said in facts.services.items():
        if said is None:
            yield Alert("service-silent", BAD, name)
        elif said["status"] != "ok":
            reasons = {part: state for part, state in said["dependencies"].items() if state["status"] != "ok"}
            if said["status"] == "degraded" and set(reasons) == {_OF_ELEMENTS} and _some_offline(facts):
                continue  # each of those elements is told of by itself
            yield Alert("service-unwell", BAD if said["status"] == "fail" else WARN, name, {"reasons": reasons})


def _some_offline(facts: Facts) -> bool:
    return any(not element.online for element in facts.elements or ())


def _elements(facts: Facts) -> Iterator[Alert]:
    elements = facts.elements
    if elements is None:
        return
    if not elements:
        yield Alert("no-elements", WARN)
    elif not any(element.online and element.writable and element.shown["available_bytes"] for element in elements):
        yield Alert("nowhere", BAD)
    damaged = {one["storage_id"]: one["damaged"] for one in facts.totals["elements"]} if facts.totals else {}
    for element in elements:
        yield from _element(element, damaged.get(element.id, 0))


def _element(element: Element, damaged: int) -> Iterator[Alert]:
    if not element.online:
        yield Alert("offline", BAD, element.id, {"error": element.shown["last_error"], "seen_at": element.seen_at})
    if element.writable and element.share >= NEARLY_FULL:
        left = {"left": element.shown["available_bytes"], "share": element.share}
        yield Alert("full", BAD if element.share >= FULL else WARN, element.id, left)
    if damaged or element.damage:
        told = {"files": damaged, "findings": element.damage, "at": element.scrubbed_at}
        yield Alert("damage", BAD, element.id, told)
    # Of one that is away everybody knows why it cannot be followed.
    if element.sync and element.online:
        if element.sync["status"] == "failed":
            yield Alert("sync", WARN, element.id, {"error": element.sync["error"]})
        elif left_out := element.sync["files_refused"] + element.sync["conflicts"]:
            yield Alert("left-out", WARN, element.id, {"files": left_out})


def _secrets(facts: Facts, now: datetime) -> Iterator[Alert]:
    for account in sorted(facts.secrets or (), key=lambda one: str(one["secret_expires_at"])):
        over = datetime.fromisoformat(account["secret_expires_at"]) <= now
        told = {"name": account["name"], "at": account["secret_expires_at"]}
        yield Alert("secret-expired" if over else "secret", BAD if over else WARN, account["id"], told)


def _gaps(facts: Facts) -> Iterator[Alert]:
    for part in _GAPS:
        if getattr(facts, part) is None:
            yield Alert("unknown", WARN, part)
