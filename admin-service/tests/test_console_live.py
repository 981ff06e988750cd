"""News of the first page as it goes: what is sent, when, to whom no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from admin_people import MovedClock, People
from admin_service.config import Settings
from admin_service.console.overview.live import BEAT, News, Patience, Places, follow
from artstore_core.errors import AdminUnavailable, RateLimited, Unauthorized
from artstore_testing.servers import running_app
from console_services import Services
from console_support import Browser, browser

EVENTS = "overview/events"
WITHIN = 10.0


@pytest.fixture(scope="module")
def away() -> Iterator[str]:
    with running_app(Services()) as url:
        yield url


@pytest.fixture
def settings(settings: Settings, away: str) -> Settings:
    return settings.model_copy(update={f"{name}_url": f"{away}/{name}" for name in ("ingester", "query", "render")})


@dataclass
class Listening:
    """An EventSource that reads what comes."""

    answer: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.answer.put(message)

    async def status(self) -> int:
        return int((await asyncio.wait_for(self.answer.get(), WITHIN))["status"])

    async def chunk(self) -> str:
        """What comes next; nothing at the end."""
        async with asyncio.timeout(WITHIN):
            while True:
                message = await self.answer.get()
                if message.get("body") or not message.get("more_body"):
                    return bytes(message.get("body", b"")).decode()


@asynccontextmanager
async def listening(people: People, visitor: Browser, seen: str = "") -> AsyncIterator[Listening]:
    cookies = "; ".join(f"{name}={value}" for name, value in visitor.http.cookies.items())
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": f"/admin/{EVENTS}",
        "raw_path": f"/admin/{EVENTS}".encode(),
        "query_string": f"seen={seen}".encode(),
        "root_path": "",
        "headers": [(b"host", b"artstore.test"), (b"cookie", cookies.encode())],
        "client": ("127.0.0.1", 1),
        "server": ("artstore.test", 443),
        "state": {},
    }
    heard = Listening()
    asking = asyncio.create_task(people.app(scope, heard.receive, heard.send))
    try:
        yield heard
    finally:
        heard.gone.set()
        await asyncio.wait_for(asking, WITHIN)


def key_in(page: str) -> str:
    return page.split("events?seen=", 1)[1].split('"', 1)[0]


async def test_nothing_until_something_changes_and_the_end_with_the_visit(people: People, visitor: Browser) -> None:
    page = await visitor.page()
    async with listening(people, visitor, key_in(page)) as heard:
        assert await heard.status() == 200
        body = {"name": "a new one", "scopes": ["files:read"], "expires_in_days": 3}
        await people.http.post("/api/v1/service-accounts", json=body, headers=await people.bearer())
        news = await heard.chunk()
        assert "event: overview\n" in news
        assert "a new one" in news
        assert "event: news\n" in news
        assert "4 things need attention." in news
        await visitor.send("sign-out", form="password")
        last = await heard.chunk()
        assert "You are signed out" in last
        assert "event: over\n" in last
        assert await heard.chunk() == ""


async def test_what_the_page_does_not_show_yet_comes_at_once(people: People, visitor: Browser) -> None:
    async with listening(people, visitor) as heard:
        assert await heard.status() == 200
        assert "A storage element is offline" in await heard.chunk()


async def test_a_stranger_hears_that_it_is_over(people: People) -> None:
    async with browser(people.http) as stranger, listening(people, stranger) as heard:
        assert await heard.status() == 200
        assert "event: over\n" in await heard.chunk()
        assert await heard.chunk() == ""


async def test_a_page_left_open_keeps_no_visit_open(people: People, clock: MovedClock, visitor: Browser) -> None:
    clock.move(minutes=25)
    async with listening(people, visitor) as heard:
        assert "event: overview\n" in (await heard.chunk() or await heard.chunk())
        clock.move(minutes=6)
        assert "event: over\n" in await heard.chunk()
    assert (await visitor.get("password")).status_code == 303


def test_no_more_streams_than_there_are_places() -> None:
    places = Places(1)
    with places.taken():
        with pytest.raises(RateLimited) as refused, places.taken():
            pass
        assert refused.value.headers["Retry-After"]
    with places.taken():
        pass


@dataclass
class Scene:
    """What is to be seen, at what second; a look moves the time by one."""

    script: list[News | Exception]
    second: float = 0.0
    looks: int = 0

    def timer(self) -> float:
        return self.second

    async def look(self) -> News:
        self.looks += 1
        self.second += 1
        found = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(found, Exception):
            raise found
        return found

    def ended(self) -> bool:
        return False

    async def heard(self, patience: Patience, seen: str = "") -> list[str]:
        told = follow(self.look, lambda: {"news": "bye"}, patience, seen=seen, ended=self.ended, timer=self.timer)
        return [chunk.decode() async for chunk in told]


def news(key: str, **events: str) -> News:
    def made() -> Mapping[str, str]:
        return events

    return News(key, made)


def patience(**seconds: float) -> Patience:
    return Patience(**{"look": 0, "beat": 1000, "again": 1000, "whole": 10} | seconds)


async def test_only_what_is_not_as_it_was() -> None:
    scene = Scene(
        [news("a", x="1", y="1"), news("a", x="1", y="1"), news("b", x="2\n3", y="1"), news("a", x="1", y="1")]
    )
    assert await scene.heard(patience()) == [
        "id: a\nevent: x\ndata: 1\n\nid: a\nevent: y\ndata: 1\n\n",
        "id: b\nevent: x\ndata: 2\ndata: 3\n\n",
        "id: a\nevent: x\ndata: 1\n\n",
    ]
    assert scene.looks == 10, "it ends, and the browser comes back"


async def test_what_the_page_has_already_is_not_sent_with_what_changes() -> None:
    scene = Scene([news("a", x="1", y="1"), news("b", x="2", y="1")])
    assert await scene.heard(patience(), seen="a") == ["id: b\nevent: x\ndata: 2\n\n"]


async def test_a_beat_when_nothing_else_is_sent_and_old_times_anew() -> None:
    assert await Scene([news("a", x="1")]).heard(patience(beat=4), seen="a") == [BEAT.decode()] * 2
    ages = Scene([news("a", x="1"), news("a", x="1"), news("a", x="1 minute ago")])
    assert await ages.heard(patience(again=5), seen="a") == ["id: a\nevent: x\ndata: 1 minute ago\n\n"]


async def test_while_the_database_is_away_it_waits_and_after_the_visit_it_ends() -> None:
    scene = Scene([AdminUnavailable("away"), AdminUnavailable("away"), news("a", x="1"), Unauthorized("over")])
    assert await scene.heard(patience()) == [
        "id: a\nevent: x\ndata: 1\n\n",
        "id: a\nevent: news\ndata: bye\n\nid: a\nevent: over\ndata: \n\n",
    ]


async def test_a_server_that_stops_waits_for_nobody_who_looks() -> None:
    scene = Scene([news("a", x="1")])
    told = follow(scene.look, dict, patience(), seen="", ended=lambda: True, timer=scene.timer)
    assert [chunk async for chunk in told] == []
