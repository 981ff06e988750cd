"""News for as long as somebody looks at the first page (Server-Sent Events, WHATWG HTML §9.2)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from artstore_core.errors import AdminUnavailable, Forbidden, RateLimited, Unauthorized
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

OVER: Final = "over"
BEAT: Final = b": here\n\n"
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. `look`: how often it is looked whether there is news. `beat`: something is sent at least so often, so that
    nobody on the way thinks the connection dead. `again`: what is shown is sent anew, for the times in it grow old.
    `whole`: so long one stream lasts; the browser comes back by itself."""

    look: float = 3.0
    beat: float = 15.0
    again: float = 60.0
    whole: float = 600.0


class Places:
    """So many streams at most, in one process."""

    def __init__(self, most: int) -> None:
        self._left = most

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Raises RateLimited."""
        if self._left <= 0:
            raise RateLimited("Too many look at the overview just now", headers={"Retry-After": "30"})
        self._left -= 1
        try:
            yield
        finally:
            self._left += 1


@dataclass(frozen=True, slots=True)
class News:
    """`key` is that of all news which show the same; `events`: what each shows, made when it is sent."""

    key: str
    events: Callable[[], Mapping[str, str]]


class Stream(StreamingResponse):
    """However it ends, its place is free again."""

    def __init__(self, content: AsyncIterator[bytes], place: ExitStack) -> None:
        self._place = place
        super().__init__(content, media_type="text/event-stream", headers=_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._place:
            await super().__call__(scope, receive, send)


async def follow(
    look: Callable[[], Awaitable[News]],
    goodbye: Callable[[], Mapping[str, str]],
    patience: Patience,
    *,
    seen: str,
    ended: Callable[[], bool],
    timer: Callable[[], float] = time.monotonic,
) -> AsyncIterator[bytes]:
    """What `look` finds, as events, each that is not as it was before. `seen`: the key of what the page shows already.

    `look` raises Unauthorized or Forbidden when the visit is over: then it ends with `goodbye` and `over`. `ended`: the
    server wants to stop.
    """
    began = beat_at = sent_at = timer()
    shown, sent = seen, dict[str, str]()
    while not ended() and timer() - began < patience.whole:
        try:
            news = await look()
        except (Unauthorized, Forbidden):
            yield _events(shown, {**goodbye(), OVER: ""})
            return
        except AdminUnavailable:
            news = None  # it comes back, or the browser goes
        now = timer()
        if news is not None and news.key == shown and not sent:
            sent = dict(
                news.events()
            )  # as the page has it: what stays the same in a later change is not read out again
        if news is not None and (news.key != shown or now - sent_at >= patience.again):
            changed = {name: text for name, text in news.events().items() if sent.get(name) != text}
            shown, sent_at = news.key, now
            sent |= changed
            if changed:
                beat_at = now
                yield _events(shown, changed)
        if now - beat_at >= patience.beat:
            beat_at = now
            yield BEAT
        await asyncio.sleep(patience.look)


def _events(key: str, texts: Mapping[str, str]) -> bytes:
    return "".join(_event(key, name, text) for name, text in texts.items()).encode()


def _event(key: str, name: str, text: str) -> str:
    lines = "".join(f"data: {line}\n" for line in text.splitlines() or [""])
    return f"id: {key}\nevent: {name}\n{lines}\n"
