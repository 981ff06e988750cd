"""Handing a stream on."""

from collections.abc import Callable
from typing import Final

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from query_service.files.download import Asked, Downloads, Opened
from query_service.files.limits import DownloadSlots

_PASSED_ON: Final = ("range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since")


def conditions_of(request: Request) -> dict[str, str]:
    """The headers that the element judges, as they came."""
    return {name: value for name in _PASSED_ON if (value := request.headers.get(name)) is not None}


class ByteStream(StreamingResponse):
    """An element's answer as the client gets it. However it ends, the element's connection is let go."""

    def __init__(self, opened: Opened, done: Callable[[], None], headers: dict[str, str]) -> None:
        self._opened, self._done = opened, done
        super().__init__(opened.pieces(), status_code=opened.status, headers={**opened.headers, **headers})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._done()
            await self._opened.close()


async def open_stream(
    downloads: Downloads, slots: DownloadSlots, account: str, asked: Asked, headers: dict[str, str] | None = None
) -> ByteStream:
    """`headers` go out beside the element's own. Raises what `Downloads.open` and `DownloadSlots.take` raise."""
    done = slots.take(account)
    try:
        opened = await downloads.open(asked)
    except BaseException:
        done()
        raise
    return ByteStream(opened, done, headers or {})
