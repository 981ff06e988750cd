"""The first page: how all of it is, what needs somebody, live."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from admin_service.console.door import Visit
from admin_service.console.overview.alerts import BAD, Alert, alerts
from admin_service.console.overview.facts import Element, Facts, Watch
from admin_service.console.overview.live import News, Patience, Places, Stream, follow
from admin_service.console.parts import Console

STREAMS: Final = 64
SHOWN_ELEMENTS: Final = 12
SHOWN_ALERTS: Final = 20
_MODES: Final = ("edit", "rw", "ro", "ar")


@dataclass(slots=True)
class Room:
    """Of all elements in one mode; bytes."""

    states: Counter[str] = field(default_factory=Counter)
    whole: int = 0
    taken: int = 0


def router(console: Console) -> APIRouter:
    routes = APIRouter()
    doors, watch, places, patience = console.doors, Watch(console.health, console.clock), Places(STREAMS), Patience()
    visiting = Annotated[Visit, Depends(doors.visit)]

    async def told(visit: Visit) -> dict[str, Any]:
        facts = await watch.facts(visit.api, visit.visitor.user.scopes)
        return _told(facts, alerts(facts, console.clock()))

    @routes.get("/")
    async def overview(visit: visiting) -> Response:
        return visit.show("overview/page.html", **await told(visit))

    @routes.get("/overview/events")
    async def events(
        request: Request,
        seen: Annotated[str, Query(max_length=64)] = "",
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> Response:
        async def look() -> News:
            """Asks at the door each time: what ends the visit ends the news."""
            visit = await doors.watching(request)
            shown = await told(visit)
            return News(shown["key"], lambda: _events(visit, shown))

        def goodbye() -> Mapping[str, str]:
            answer = console.pages.show(request, "overview/signed_out.html")
            return {"news": _text(answer)}

        place = ExitStack()
        place.enter_context(places.taken())
        known, draining = last_event_id or seen, lambda: console.health.draining
        return Stream(follow(look, goodbye, patience, seen=known, ended=draining), place)

    return routes


def _events(visit: Visit, shown: Mapping[str, Any]) -> dict[str, str]:
    return {
        "overview": _text(visit.show("overview/live.html", **shown)),
        "news": _text(visit.show("overview/news.html", **shown)),
    }


def _text(answer: Response) -> str:
    return bytes(answer.body).decode()


def _told(facts: Facts, found: Sequence[Alert]) -> dict[str, Any]:
    elements = facts.elements or ()
    key = hashlib.sha256(repr((facts, found)).encode()).hexdigest()[:32]
    days = facts.totals["days"] if facts.totals else []
    return {
        "key": key,
        "facts": facts,
        "alerts": found[:SHOWN_ALERTS],
        "more_alerts": max(len(found) - SHOWN_ALERTS, 0),
        "bad_alerts": sum(alert.level == BAD for alert in found),
        "rooms": _rooms(elements),
        # Those that somebody may have to look after come first.
        "elements": sorted(elements, key=lambda one: (one.online, -one.share, one.id))[:SHOWN_ELEMENTS],
        "files_on": {one["storage_id"]: one["files"] for one in facts.totals["elements"]} if facts.totals else {},
        "left": sum(one.shown["available_bytes"] or 0 for one in elements if one.online and one.writable),
        "online": sum(one.online for one in elements),
        "days": list(_changes(days)),
    }


def _rooms(elements: Sequence[Element]) -> list[tuple[str | None, Room]]:
    """By mode, in the order of a life; last those that were never reached."""
    rooms: dict[str | None, Room] = {mode: Room() for mode in (*_MODES, None)}
    for element in elements:
        room = rooms[element.shown["mode"]]
        room.states["online" if element.online else "offline"] += 1
        whole = element.shown["capacity_bytes"] or 0
        room.whole += whole
        room.taken += whole - (element.shown["available_bytes"] or 0) if whole else 0
    return [(mode, room) for mode, room in rooms.items() if room.states]


def _changes(days: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The days on which something came, with the first and the last: what lies between says the same as before."""
    before = None
    for number, day in enumerate(days):
        now = day["files"], day["bytes"]
        if now != before or number == len(days) - 1:
            yield day
        before = now
