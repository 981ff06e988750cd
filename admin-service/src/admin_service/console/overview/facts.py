"""What the API says of all parts of ArtStore, gathered for one page. A part that cannot be asked leaves a gap, no error."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from artstore_core.errors import ArtStoreError
from artstore_core.scopes import Scope
from artstore_kit.health import Health

from admin_service.console.api import Api, Service
from admin_service.console.refusals import SignInNeeded
from admin_service.identity.clock import Clock
from admin_service.identity.expiry import WARN_BEFORE

PART_SECONDS: Final = 3.0
"""A part that takes longer is shown as one that does not answer."""
FRESH_SECONDS: Final = 2.5
ELEMENTS_FRESH_SECONDS: Final = 20.0
"""How old the syncs and scrubs of the elements may be: to learn them costs a question for each."""
ELEMENTS_LOOKED_AT: Final = 200
AT_ONCE: Final = 8
EVENTS: Final = 10
SECRETS: Final = 100
SERVICES: Final[tuple[Service, ...]] = ("ingester", "query", "render")
ADMIN: Final = "admin"

_SHOWN_OF_ELEMENT: Final = (
    "storage_id", "status", "mode", "version", "description", "capacity_bytes", "used_bytes", "available_bytes",
    "last_error", "created_at",
)  # fmt: skip
_DAMAGE: Final = frozenset(
    {
        "checksum_mismatch",
        "data_missing",
        "data_unreadable",
        "record_missing",
        "record_unreadable",
        "size_mismatch",
    }
)
"""Findings that mean that a file is not what it was; the others were mended, or nobody's."""


@dataclass(frozen=True, slots=True)
class Element:
    """`shown` is what does not change with each look. `seen_at`: of one that is offline. None: not known."""

    shown: Mapping[str, Any]
    seen_at: str | None
    sync: Mapping[str, Any] | None = None
    scrubbed_at: str | None = None
    damage: int = 0

    @property
    def id(self) -> str:
        return str(self.shown["storage_id"])

    @property
    def online(self) -> bool:
        return bool(self.shown["status"] == "online")

    @property
    def writable(self) -> bool:
        return self.shown["mode"] in ("edit", "rw")

    @property
    def share(self) -> float:
        """Of its room, what is taken: 0 to 1."""
        whole, left = self.shown["capacity_bytes"], self.shown["available_bytes"]
        return 1 - left / whole if whole and left is not None else 0.0


@dataclass(frozen=True, slots=True)
class Facts:
    """Equal to others that would show the same. None stands for what could not be learnt."""

    elements: Sequence[Element] | None
    elements_in_all: int
    totals: Mapping[str, Any] | None
    jobs: Mapping[str, int] | None
    events: Sequence[Mapping[str, Any]] | None
    secrets: Sequence[Mapping[str, Any]] | None
    services: Mapping[str, Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class _OfElements:
    syncs: Mapping[str, Mapping[str, Any]]
    scrubs: Mapping[str, Mapping[str, Any]]


@dataclass(slots=True)
class _Kept:
    value: Any
    until: float


class Watch:
    """Asks the API, once for all who have the same rights and look within the same moment."""

    def __init__(self, health: Health, clock: Clock, *, timer: Callable[[], float] = time.monotonic) -> None:
        self._health, self._clock, self._timer = health, clock, timer
        # By rights and kind: there are two roles.
        self._kept: dict[tuple[frozenset[Scope], str], _Kept] = {}
        self._lock = asyncio.Lock()

    async def facts(self, api: Api, scopes: frozenset[Scope]) -> Facts:
        """Raises SignInNeeded when the visitor's token counts no more."""
        async with self._lock:
            found: Facts = await self._fresh((scopes, "all"), FRESH_SECONDS, lambda: self._gather(api, scopes))
        return found

    async def services(self, api: Api) -> Mapping[str, Mapping[str, Any] | None]:
        """By name, what each says of itself; None for one that does not answer."""
        own, *others = await asyncio.gather(
            self._health.readiness(), *(_tried(api.readiness(service)) for service in SERVICES)
        )
        return {ADMIN: own.model_dump(mode="json"), **dict(zip(SERVICES, others, strict=True))}

    async def _fresh(self, key: tuple[frozenset[Scope], str], seconds: float, ask: Callable[[], Awaitable[Any]]) -> Any:
        kept = self._kept.get(key)
        if kept is None or kept.until <= self._timer():
            kept = self._kept[key] = _Kept(await ask(), self._timer() + seconds)
        return kept.value

    async def _gather(self, api: Api, scopes: frozenset[Scope]) -> Facts:
        until = (self._clock() + WARN_BEFORE + timedelta(minutes=1)).isoformat()
        listed, totals, jobs, events, secrets, services = await asyncio.gather(
            _tried(api.get("/api/v1/storage-elements", limit=1000)),
            _tried(api.get("/api/v1/registry/totals")),
            _tried(_jobs(api)),
            _tried(api.get("/api/v1/audit", limit=EVENTS)),
            _tried(api.get("/api/v1/service-accounts", status="active", secret_expires_until=until, limit=SECRETS)),
            self.services(api),
        )
        return Facts(
            elements=await self._elements(api, scopes, listed["items"]) if listed else None,
            elements_in_all=listed["total"] if listed else 0,
            totals={name: value for name, value in totals.items() if name != "counted_at"} if totals else None,
            jobs=jobs,
            events=events["items"] if events else None,
            secrets=secrets["items"] if secrets else None,
            services=services,
        )

    async def _elements(
        self, api: Api, scopes: frozenset[Scope], rows: Sequence[Mapping[str, Any]]
    ) -> Sequence[Element]:
        elements = [_element(row) for row in rows]
        key = scopes, "elements"
        more: _OfElements = await self._fresh(key, ELEMENTS_FRESH_SECONDS, lambda: _of_elements(api, elements))
        return [_with(element, more) for element in elements]


async def _tried(asked: Awaitable[Any]) -> Any:
    try:
        async with asyncio.timeout(PART_SECONDS):
            return await asked
    except SignInNeeded:
        raise
    except (ArtStoreError, TimeoutError):
        return None


async def _jobs(api: Api) -> dict[str, int]:
    states = ("waiting", "converting", "failed")
    pages = await asyncio.gather(*(api.get("/api/v1/render-jobs", state=state, limit=1) for state in states))
    return {state: page["total"] for state, page in zip(states, pages, strict=True)}


async def _of_elements(api: Api, elements: Sequence[Element]) -> _OfElements:
    """What answers in time; the rest is learnt another time."""
    at_once = asyncio.Semaphore(AT_ONCE)
    syncs: dict[str, Mapping[str, Any]] = {}
    scrubs: dict[str, Mapping[str, Any]] = {}

    async def sync(element: Element) -> None:
        async with at_once:
            page = await _tried(api.get(f"/api/v1/storage-elements/{element.id}/syncs", limit=1))
        if page and page["items"]:
            syncs[element.id] = page["items"][0]

    async def scrub(element: Element) -> None:
        async with at_once:
            job = await _tried(api.get(f"/api/v1/storage-elements/{element.id}/scrub"))
        if job:
            scrubs[element.id] = job

    looked_at = elements[:ELEMENTS_LOOKED_AT]
    with suppress(TimeoutError):
        async with asyncio.timeout(PART_SECONDS):
            await asyncio.gather(*(sync(one) for one in looked_at), *(scrub(one) for one in looked_at if one.online))
    return _OfElements(syncs, scrubs)


def _element(row: Mapping[str, Any]) -> Element:
    shown = {name: row[name] for name in _SHOWN_OF_ELEMENT}
    return Element(shown, seen_at=row["last_seen_at"] if row["status"] != "online" else None)


def _with(element: Element, more: _OfElements) -> Element:
    sync, scrub = more.syncs.get(element.id), more.scrubs.get(element.id)
    return replace(
        element,
        sync={name: sync[name] for name in ("status", "error", "files_refused", "conflicts")} if sync else None,
        scrubbed_at=(scrub["finished_at"] or scrub["started_at"]) if scrub else None,
        damage=sum(count for kind, count in scrub["counts"].items() if kind in _DAMAGE) if scrub else 0,
    )
