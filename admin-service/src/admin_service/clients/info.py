"""`GET /api/v1/info` of whoever answers at a URL: an element that is known, or a stranger (requirements R1, R6).

Nobody is trusted here: nothing is sent that is worth anything, little is read, and what comes is parsed and dropped.
"""

from __future__ import annotations

import asyncio
from typing import Final

import httpx
from artstore_core.elements import ElementInfo
from pydantic import ValidationError

from admin_service.clients.bodies import read_body
from admin_service.clients.errors import AN_ERROR, NO_ELEMENT, NOT_NOW, REDIRECT, told
from admin_service.clients.gate import Gate
from admin_service.registry.calls import ElementAnswersWrongly, ElementUnreachable

SECONDS: Final = 5.0
"""In all: waiting for others, the name, the connection, TLS, the answer to its last byte."""
CONNECT_SECONDS: Final = 2.0
MAX_ANSWER_BYTES: Final = 64 * 1024


class InfoClient:
    """`at_once` calls and four times as many that wait; more are refused."""

    def __init__(self, http: httpx.AsyncClient, *, at_once: int, seconds: float = SECONDS) -> None:
        self._http, self._seconds = http, seconds
        self._gate = Gate(at_once, waiting=4 * at_once)

    async def __call__(self, url: str) -> ElementInfo:
        """registry.calls.AskInfo. `url` is in the form of registry.addresses.element_url."""
        with told():
            async with asyncio.timeout(self._seconds), self._gate.through("info"):
                content = await self._fetch(f"{url}/api/v1/info")
        try:
            return ElementInfo.model_validate_json(content)
        except ValidationError:
            raise ElementAnswersWrongly(NO_ELEMENT) from None

    async def _fetch(self, url: str) -> bytes:
        timeout = httpx.Timeout(self._seconds, connect=CONNECT_SECONDS)
        async with self._http.stream("GET", url, timeout=timeout) as answer:
            if answer.is_redirect:
                raise ElementAnswersWrongly(REDIRECT)
            if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                raise ElementUnreachable(NOT_NOW)
            if answer.status_code != httpx.codes.OK:
                raise ElementAnswersWrongly(AN_ERROR)
            return await read_body(answer, MAX_ANSWER_BYTES)
