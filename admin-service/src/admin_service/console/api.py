"""The console's way to the API: as the visitor, with the visitor's rights, by the same doors as everybody.

What admin serves itself is asked within this process; the other services by HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Literal

import httpx
from artstore_core.errors import BY_CODE, ArtStoreError, UpstreamFailed
from artstore_kit.context import current_request_id
from artstore_kit.middleware import inside
from starlette.types import ASGIApp

from admin_service.console.refusals import SignInNeeded
from admin_service.console.visits import Visitor

SECONDS: Final = 10.0
"""A page that shows a part as unreachable is better than one that never comes."""

HEALTH_SECONDS: Final = 2.0
Service = Literal["ingester", "query", "render"]


@dataclass(frozen=True, slots=True)
class Upstreams:
    """`admin` gives admin's own app, once it is built; the others are clients with a base URL, kept for all visitors."""

    admin: Callable[[], ASGIApp]
    ingester: httpx.AsyncClient
    query: httpx.AsyncClient
    render: httpx.AsyncClient

    def client(self, service: Service) -> httpx.AsyncClient:
        return {"ingester": self.ingester, "query": self.query, "render": self.render}[service]

    async def close(self) -> None:
        for client in (self.ingester, self.query, self.render):
            await client.aclose()


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` is the JSON that came, None where there was none."""

    status: int
    headers: httpx.Headers
    body: Any


class Api:
    """One visitor's. Raises the ArtStoreError that the service answered with; UpstreamFailed when there was no answer."""

    def __init__(
        self, upstreams: Upstreams, visitor: Visitor, address: str | None, token_anew: Callable[[], Awaitable[str]]
    ) -> None:
        """`token_anew`: another token, in place of one that was refused."""
        self._upstreams, self._token, self._address = upstreams, visitor.token, address
        self._token_anew = token_anew

    async def get(self, path: str, **params: Any) -> Any:
        given = {name: value for name, value in params.items() if value not in (None, "")}
        return (await self.ask("GET", path, params=given)).body

    async def post(self, path: str, body: Any = None) -> Any:
        return (await self.ask("POST", path, body=body)).body

    async def patch(self, path: str, body: Any, **headers: str) -> Any:
        return (await self.ask("PATCH", path, body=body, headers=headers)).body

    async def delete(self, path: str, **params: Any) -> None:
        await self.ask("DELETE", path, params=params)

    async def readiness(self, service: Service) -> Any:
        """What another service says of itself and of what it depends on (requirement A6), well or not."""
        try:
            answer = await self._upstreams.client(service).get("/health/ready", timeout=HEALTH_SECONDS)
        except httpx.HTTPError as error:
            raise UpstreamFailed("A part of ArtStore does not answer just now") from error
        body = _json(answer)
        if not isinstance(body, dict) or "dependencies" not in body:
            raise UpstreamFailed("A part of ArtStore answered what nobody understands")
        return body

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        answer = await self._send(method, path, params, body, headers or {})
        if _refuses_the_token(answer):
            self._token = await self._token_anew()
            answer = await self._send(method, path, params, body, headers or {})
        return _answer(answer)

    async def _send(
        self, method: str, path: str, params: Mapping[str, Any] | None, body: Any, headers: Mapping[str, str]
    ) -> httpx.Response:
        sent = {"Authorization": f"Bearer {self._token}", **headers}
        if request_id := current_request_id():
            sent["X-Request-Id"] = request_id
        client = self._client(method, path)
        try:
            return await client.request(method, path, params=params, json=body, headers=sent, timeout=SECONDS)
        except httpx.HTTPError as error:
            raise UpstreamFailed("A part of ArtStore does not answer just now") from error

    def _client(self, method: str, path: str) -> httpx.AsyncClient:
        if path.startswith("/api/v1/search"):
            return self._upstreams.query
        if path.startswith(("/api/v1/renditions", "/api/v1/render-jobs")):
            return self._upstreams.render
        if path.startswith("/api/v1/files"):
            reads = method in ("GET", "HEAD") or path.endswith("/links")
            return self._upstreams.query if reads else self._upstreams.ingester
        # Nothing is connected by it; the address is the visitor's, for the audit log.
        door = httpx.ASGITransport(inside(self._upstreams.admin()), client=(self._address or "127.0.0.1", 0))
        return httpx.AsyncClient(transport=door, base_url="http://admin")


def _refuses_the_token(answer: httpx.Response) -> bool:
    challenge = answer.headers.get("WWW-Authenticate", "")
    return answer.status_code == HTTPStatus.UNAUTHORIZED and "invalid_token" in challenge


def _answer(answer: httpx.Response) -> Answer:
    body = _json(answer)
    if answer.status_code >= HTTPStatus.BAD_REQUEST:
        raise SignInNeeded if _refuses_the_token(answer) else _refusal(answer.headers, body)
    return Answer(answer.status_code, answer.headers, body)


def _json(answer: httpx.Response) -> Any:
    try:
        return json.loads(answer.content) if answer.content else None
    except ValueError:
        return None


def _refusal(headers: httpx.Headers, body: Any) -> ArtStoreError:
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict) or error.get("code") not in BY_CODE:
        return UpstreamFailed("A part of ArtStore answered what nobody understands")
    refusal = BY_CODE[error["code"]](str(error.get("message", "")), details=error.get("details") or {})
    if "Retry-After" in headers:
        refusal.headers["Retry-After"] = headers["Retry-After"]
    return refusal
