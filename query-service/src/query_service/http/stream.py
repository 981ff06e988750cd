"""Handing a stream on."""

from collections.abc import Callable
from contextlib import aclosing
from typing import Final

from artstore_transfer import Conditions, Representation, answer
from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from query_service.files.download import Asked, AtHand, Downloads, Elsewhere, Gateway, Opened
from query_service.files.limits import DownloadSlots
from query_service.files.shortcut import HEADER

_PASSED_ON: Final = ("range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since")


def conditions_of(request: Request) -> dict[str, str]:
    """The headers that the element judges, as they came; one that came twice is one list (RFC 9110 §5.3)."""
    return {name: ", ".join(values) for name in _PASSED_ON if (values := request.headers.getlist(name))}


class ByteStream(StreamingResponse):
    """An element's answer as the client gets it. However it ends, the element's connection is let go."""

    def __init__(self, opened: Opened, done: Callable[[], None], headers: dict[str, str]) -> None:
        self._opened, self._done, self._pieces = opened, done, opened.pieces()
        super().__init__(self._pieces, status_code=opened.status, headers={**opened.headers, **headers})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with aclosing(self._pieces):
                await super().__call__(scope, receive, send)
        finally:
            self._done()
            await self._opened.close()


def gateway_of(request: Request) -> Gateway | None:
    """Our gateway, where it asks and can fetch the bytes itself.

    A request that has a body is not sent on by it, but answered with the redirect: the client would see that.
    """
    headers = request.headers
    routes = headers.get(HEADER)
    if routes is None or "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
        return None
    return Gateway(routes, "https" if headers.get("x-forwarded-proto") == "https" else "http")


async def open_stream(
    downloads: Downloads,
    slots: DownloadSlots,
    account: str,
    asked: Asked,
    gateway: Gateway | None,
    headers: dict[str, str] | None = None,
) -> Response:
    """`headers` go out beside the element's own. Raises what `Downloads.start` and `DownloadSlots.take` raise."""
    done = slots.take(account)
    try:
        found = await downloads.start(asked, gateway)
    except BaseException:
        done()
        raise
    if isinstance(found, Elsewhere):
        done()  # how long it takes is not ours to see
        return Response(status_code=307, headers={"Location": found.url, "Cache-Control": "no-store"})
    if isinstance(found, AtHand):
        done()
        return _from_memory(found, asked, headers or {})
    return ByteStream(found, done, headers or {})


def _from_memory(found: AtHand, asked: Asked, headers: dict[str, str]) -> Response:
    """By the same rules as the element's. Raises PreconditionFailed, InvalidRange."""
    conditions = Conditions.of([(name.encode(), value.encode("latin-1")) for name, value in asked.headers.items()])
    judged = answer(Representation.of(found.file), asked.method, conditions, asked.disposition)
    part = judged.body
    body = found.content[part.start : part.stop] if part is not None else b""
    return Response(body, judged.status, {**judged.headers, **headers})
