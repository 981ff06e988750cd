"""Many downloads at once while their element is killed and comes back; each byte and each end is judged."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from typing import Final

import httpx
from world import World, within

_AWAY: Final = (502, 503)
_PATIENCE_SECONDS: Final = 300.0
"""For what takes seconds: a machine may have much else to do."""
_MAX_ATTEMPTS: Final = 400
"""Of one download: bounded, so that a test that cannot go on ends."""


@dataclass
class Tally:
    """What became of the downloads. `wrong` and `short` (an answer that looked whole and was not) must stay 0."""

    whole: int = 0
    cut: int = 0
    went_on: int = 0
    refused: int = 0
    wrong: int = 0
    short: int = 0
    given_up: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{one.name} {getattr(self, one.name)}" for one in fields(self))


@dataclass
class Storm:
    """`url` gives `content` with `headers`; `done` ends the downloads after the one that each is at."""

    url: str
    headers: Mapping[str, str]
    content: bytes
    tally: Tally = field(default_factory=Tally)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def download_until_done(self, http: httpx.AsyncClient) -> None:
        while not self.done.is_set():
            await self._download(http)
            async with self.news:
                self.news.notify_all()

    async def until_whole(self, number: int) -> None:
        async with self.news:
            await self.news.wait_for(lambda: self.tally.whole >= number)

    async def _download(self, http: httpx.AsyncClient) -> None:
        """One file, however many answers it takes: after a cut it goes on by Range, if it is the same file still."""
        at, etag = 0, ""
        for _ in range(_MAX_ATTEMPTS):
            asked = {"Range": f"bytes={at}-", "If-Range": etag} if at else {}
            try:
                async with http.stream("GET", self.url, headers={**self.headers, **asked}) as answer:
                    if answer.status_code in _AWAY:
                        self.tally.refused += 1
                        await asyncio.sleep(random.uniform(0.1, 0.5))  # as a client that has read Retry-After would
                        continue
                    if not self._begins_well(answer, at):
                        return
                    etag = answer.headers["etag"]
                    self.tally.went_on += at > 0
                    async for piece in answer.aiter_raw():
                        if self.content[at : at + len(piece)] != piece:
                            self.tally.wrong += 1
                            return
                        at += len(piece)
            except httpx.TransportError:
                self.tally.cut += 1
                continue
            self._ended(at)
            return
        self.tally.given_up += 1

    def _begins_well(self, answer: httpx.Response, at: int) -> bool:
        size = len(self.content)
        told = (answer.status_code, answer.headers.get("content-length"), answer.headers.get("content-range"))
        expected = (206, str(size - at), f"bytes {at}-{size - 1}/{size}") if at else (200, str(size), None)
        self.tally.wrong += told != expected
        return told == expected

    def _ended(self, at: int) -> None:
        """The client was told that this was all."""
        if at == len(self.content):
            self.tally.whole += 1
        else:
            self.tally.short += 1


async def storm(
    world: World, bases: Sequence[str], content: bytes, *, downloads: int, kills: int, part: str = "se-rw-1"
) -> list[Tally]:
    """So many `downloads` at once from each of `bases` (query, the gateway) while `part` is killed so many times."""
    file_id = (await asyncio.to_thread(world.uploaded, content, "storm.bin"))["file_id"]
    storms = [Storm(f"{base}/api/v1/files/{file_id}/download", world.bearer(), content) for base in bases]
    async with _in_the_background(storms, downloads):
        for number in range(kills):
            await _under_way(storms, downloads)
            await _kill(world, part, signal.SIGKILL if number % 2 == 0 else signal.SIGTERM)
        await _under_way(storms, downloads)
    return [one.tally for one in storms]


@asynccontextmanager
async def _in_the_background(storms: Sequence[Storm], downloads: int) -> AsyncIterator[None]:
    """Downloads that end when the block ends, each with the file that it is at."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=downloads)
    async with httpx.AsyncClient(limits=limits, timeout=httpx.Timeout(_PATIENCE_SECONDS), trust_env=False) as http:
        workers = [asyncio.create_task(one.download_until_done(http)) for one in storms for _ in range(downloads)]
        try:
            yield
        finally:
            for one in storms:
                one.done.set()
            await asyncio.gather(*workers)


async def _under_way(storms: Sequence[Storm], downloads: int) -> None:
    """Until some downloads of each have ended since: the element gives out bytes, and most are in the middle of a file."""
    for one in storms:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await one.until_whole(one.tally.whole + max(1, downloads // 8))


async def _kill(world: World, part: str, how: signal.Signals = signal.SIGKILL) -> None:
    """Ends the part, and waits until it is ready again as another process."""
    before = world.stack.pid(part)
    os.kill(before, how)
    await asyncio.to_thread(within, _PATIENCE_SECONDS, lambda: _is_back(world, part, before), f"{part} is back")


def _is_back(world: World, part: str, before: int) -> bool:
    try:
        return world.stack.pid(part) not in (0, before) and world.ready(part).is_success
    except httpx.TransportError:
        return False
