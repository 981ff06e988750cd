"""What surrounds every request: ids, the access log, metrics, the body limit, and the last line for errors."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from http import HTTPStatus

from artstore_core.errors import InternalError
from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from artstore_kit.context import REQUEST_ID_HEADER, begin_request, current_trace_id
from artstore_kit.errors import error_response
from artstore_kit.logs import get_logger, shown_path
from artstore_kit.metrics import HttpMetrics
from artstore_kit.spans import Span, note_failure, recorded_span
from artstore_kit.tracing import QUIET_PATHS

_log = get_logger("artstore.http")
_INSIDE = "artstore.inside"
_SHOWN = frozenset({"file_id", "upload_id", "job_id", "storage_id", "account_id", "user_id"})
"""Of a path's parameters those that open nothing. The way to a picture's tiles does."""
LINGER_SECONDS = 5.0
CLIENT_CLOSED_REQUEST = 499
"""Not an HTTP status: what logs and metrics call a request whose client went away (nginx's word)."""


def inside(app: ASGIApp) -> ASGIApp:
    """The app as another part of the same process asks it, while it answers a request that has its own line in the log."""

    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, _INSIDE: True}, receive, send)

    return asked


class RequestMiddleware:
    """Outermost of the app's own layers, so that no answer leaves without an id, a metric and the error form."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        client = scope.get("client")
        request_id = begin_request(Headers(scope=scope).get(REQUEST_ID_HEADER), client[0] if client else None)
        started = time.perf_counter()
        recorded = recorded_span()
        status = 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if recorded is not None:
                    _describe(recorded, scope, status, request_id)
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID_HEADER] = request_id
                headers.setdefault("X-Content-Type-Options", "nosniff")
            await send(message)

        self._metrics.begin()
        try:
            await self._app(scope, receive, send_marked)
        except ClientDisconnect:
            status = CLIENT_CLOSED_REQUEST
        except Exception:
            _log.exception("request failed", method=scope["method"], path=shown_path(scope["path"]))
            if status:
                # The answer has begun: only a broken connection tells the client that it is not whole.
                raise
            await error_response(InternalError("Something went wrong here"))(scope, receive, send_marked)
        finally:
            trace_id = current_trace_id() if recorded is not None else None
            self._finish(scope, status or CLIENT_CLOSED_REQUEST, time.perf_counter() - started, trace_id)
        return None

    def _finish(self, scope: Scope, status: int, seconds: float, trace_id: str | None) -> None:
        self._metrics.end(scope["method"], _route(scope), status, seconds, trace_id)
        if scope["path"] not in QUIET_PATHS:
            tell = _log.debug if _INSIDE in scope else _log.info
            # The path without its query: a query may carry a ticket.
            path = shown_path(scope["path"])
            tell("request", method=scope["method"], path=path, status=status, ms=round(seconds * 1e3, 1))


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", "unmatched")


def _describe(recorded: Span, scope: Scope, status: int, request_id: str) -> None:
    """By its route. The path itself is not told: a part of it may open what it names."""
    route = _route(scope)
    recorded.update_name(f"{scope['method']} {route}")
    recorded.set_attributes(
        {"http.route": route, "http.response.status_code": status, "artstore.request_id": request_id}
    )
    for name in _SHOWN & scope.get("path_params", {}).keys():
        recorded.set_attribute(f"artstore.{name}", str(scope["path_params"][name]))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        note_failure(recorded, str(status))


class BodyLimit:
    """Refuses bodies over `limit` bytes on all paths but those that `is_byte_route` names, which check their own."""

    def __init__(self, app: ASGIApp, limit: int, is_byte_route: Callable[[str], bool]) -> None:
        self._app, self._limit, self._is_byte_route = app, limit, is_byte_route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._is_byte_route(scope["path"]):
            return await self._app(scope, receive, send)
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                # FastAPI passes its own HTTPException through while it reads a body, and no other.
                raise HTTPException(413)
            return message

        return await self._app(scope, receive_counted, send)


class LingeringRefusal:
    """Takes in, for a moment, what is left of a refused body, and only then lets the refusal out.

    Envoy passes an early answer on and stops reading. A client that writes all before it reads (httpx, requests) would
    then hang and lose the answer; most bodies end within the moment, and its sender hears why. curl and browsers,
    which read while they write, hear it that moment later.
    """

    def __init__(self, app: ASGIApp, is_byte_route: Callable[[str], bool], seconds: float = LINGER_SECONDS) -> None:
        self._app, self._is_byte_route, self._seconds = app, is_byte_route, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._is_byte_route(scope["path"]):
            return await self._app(scope, receive, send)
        # Whoever asked for leave to send has sent nothing yet: the answer is the leave that is not given.
        ended = Headers(scope=scope).get("expect", "").lower() == "100-continue"

        async def receive_watched() -> Message:
            nonlocal ended
            message = await receive()
            ended = message["type"] == "http.disconnect" or not message.get("more_body", False)
            return message

        async def send_late(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= HTTPStatus.BAD_REQUEST and not ended:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._seconds):
                        while not ended:
                            await receive_watched()
                            await asyncio.sleep(0)  # a body that is all there already would let no timeout in
            await send(message)

        return await self._app(scope, receive_watched, send_late)
