"""Handing a stream on."""

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from query_service.files.download import Opened


class ByteStream(StreamingResponse):
    """An element's answer as the client gets it. However it ends, the element's connection is let go."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        super().__init__(opened.pieces(), status_code=opened.status, headers=opened.headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._opened.close()
