"""Asking a storage element how it is."""

from __future__ import annotations

import asyncio

import httpx
from artstore_core.elements import ElementInfo
from pydantic import ValidationError

from admin_service.registry.elements import ElementUnreachable

TIMEOUT_SECONDS = 2.0
MAX_ANSWER_BYTES = 64 * 1024


class ElementClient:
    """`info` needs no token, so none is sent: a hostile address learns nothing."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def info(self, url: str) -> ElementInfo:
        """Raises ElementUnreachable."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return ElementInfo.model_validate_json(await self._fetch(f"{url}/api/v1/info"))
        except (httpx.HTTPError, TimeoutError) as error:
            raise ElementUnreachable(type(error).__name__) from error
        except ValidationError:
            raise ElementUnreachable("what answers there is not a storage element") from None

    async def _fetch(self, url: str) -> bytes:
        async with self._client.stream("GET", url) as response:
            if response.status_code != httpx.codes.OK:
                raise ElementUnreachable(f"it answered {response.status_code}")
            body = b""
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > MAX_ANSWER_BYTES:
                    raise ElementUnreachable("its answer is too long")
            return body
