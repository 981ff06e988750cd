"""The least that a Python service in the middle can be: uvicorn takes the body in, httpx sends it on in pieces of 1 MiB.

No token, no form, no hash, nothing kept. `python -m bench.transfers_forward PORT URL [CA]`
"""

from __future__ import annotations

import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import httpx
import uvicorn
from artstore_transfer import pieces

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Forward:
    def __init__(self, url: str, ca: str | None) -> None:
        verify = ssl.create_default_context(cafile=ca) if ca else False
        limits = httpx.Limits(max_connections=500, max_keepalive_connections=500)
        self._client = httpx.AsyncClient(base_url=url, verify=verify, limits=limits, timeout=300, trust_env=False)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        length = dict(scope["headers"])[b"content-length"].decode()
        body = pieces(_body(receive))
        answer = await self._client.put(scope["path"], content=body, headers={"content-length": length})
        await send(
            {"type": "http.response.start", "status": answer.status_code, "headers": [(b"content-length", b"0")]}
        )
        await send({"type": "http.response.body"})


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        if chunk := message.get("body", b""):
            yield chunk


def main() -> None:
    port, url, *ca = sys.argv[1:]
    app = Forward(url, ca[0] if ca else None)
    uvicorn.run(app, port=int(port), lifespan="off", log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
