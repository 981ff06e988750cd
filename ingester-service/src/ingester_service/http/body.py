"""The request's body as it arrives: only as fast as it is read, and not from a client that went silent."""

import asyncio
from collections.abc import AsyncIterator

from artstore_core.errors import ValidationFailed
from fastapi import Request
from starlette.requests import ClientDisconnect


async def body_of(request: Request, idle_seconds: float) -> AsyncIterator[bytes]:
    """Raises ClientDisconnect when the client is gone, ValidationFailed when it sends nothing for too long."""
    more = True
    while more:
        try:
            async with asyncio.timeout(idle_seconds):
                message = await request.receive()
        except TimeoutError:
            # Closing: the rest of this body, should it ever come, must not be taken for the next request.
            raise ValidationFailed(
                "The body stopped coming",
                details={"body": f"nothing was received for {idle_seconds:g} seconds"},
                headers={"Connection": "close"},
            ) from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        more = message.get("more_body", False)
        if chunk := message.get("body", b""):
            yield chunk
