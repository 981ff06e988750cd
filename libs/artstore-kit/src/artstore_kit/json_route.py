"""Small JSON on paths that also take byte streams."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message

_MAX_BYTES: Final = 2 * 1024 * 1024


class SmallJsonRoute(APIRoute):
    """A route with a JSON body of 2 MiB at most. A path that takes bytes of any length is not limited by the app."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def limited(request: Request) -> Response:
            received = 0

            async def receive() -> Message:
                nonlocal received
                message = await request.receive()
                received += len(message.get("body", b""))
                if received > _MAX_BYTES:
                    # FastAPI passes its own HTTPException through while it reads a body, and no other.
                    raise HTTPException(413)
                return message

            return await handle(Request(request.scope, receive))

        return limited
