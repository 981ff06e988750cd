"""Sending a file's bytes: read in worker threads, one piece ahead, straight into ASGI.

A plain response class would copy each chunk through two more layers and read 64 KiB at a time; this sends 1 MiB pieces
and holds two of them at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, suppress

from artstore_kit.spans import span
from artstore_transfer import PIECE, Answer, ByteRange
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from storage_element.store.ports import Reader
from storage_element.store.workers import Workers, settled


class FileResponse(Response):
    """Sends `answer` with its part of what `reader` holds. `held` is closed however it ends."""

    def __init__(self, answer: Answer, reader: Reader, held: AsyncExitStack, workers: Workers) -> None:
        super().__init__(status_code=answer.status)
        self._answer, self._reader, self._held, self._workers = answer, reader, held, workers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        try:
            headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in self._answer.headers.items()]
            await send({"type": "http.response.start", "status": self._answer.status, "headers": headers})
            part, rest = self._answer.body, b""
            if part is not None and self._reader.at_hand:
                rest = self._reader.read(part.start, part.length)
            elif part is not None and part.length:
                await self._send_bytes(part, receive, send)
            await send({"type": "http.response.body", "body": rest})
        finally:
            await self._held.aclose()

    async def _send_bytes(self, part: ByteRange, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_disconnected(receive))
        with span("read and send", {"artstore.bytes": part.length}):
            await self._send_until_gone(part, gone, send)

    async def _send_until_gone(self, part: ByteRange, gone: asyncio.Future[None], send: Send) -> None:
        try:
            async with aclosing(self._pieces(part)) as ahead:
                async for piece in ahead:
                    # uvicorn lets a send to nobody pass in silence: without this, a whole file would be read for it.
                    if gone.done():
                        return
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        finally:
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone

    async def _pieces(self, part: ByteRange) -> AsyncGenerator[bytes, None]:
        """Reads the next piece while this one is being sent."""
        offset = part.start
        reading: asyncio.Future[bytes] | None = None
        try:
            while offset < part.stop or reading is not None:
                piece = await settled(reading) if reading is not None else b""
                reading = None
                if offset < part.stop:
                    length = min(PIECE, part.stop - offset)
                    reading = self._workers.start(self._reader.read, offset, length)
                    offset += length
                if piece:
                    yield piece
        finally:
            if reading is not None:
                await settled(reading)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
