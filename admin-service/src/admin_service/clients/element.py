"""A registered storage element, asked with a token of admin's own (api.md, "Storage element")."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeVar
from uuid import UUID

import httpx
from artstore_core.files import File
from artstore_core.modes import Mode
from artstore_core.scopes import Scope
from pydantic import BaseModel, ValidationError

from admin_service.clients.bodies import read_body
from admin_service.clients.errors import NO_ELEMENT, REFUSES_US, told
from admin_service.clients.gate import Gate
from admin_service.clients.refusals import refused
from admin_service.registry.calls import (
    Addressed,
    ElementAnswersWrongly,
    ElementUnreachable,
    FileChange,
    JobState,
    ModeChanged,
)

CONNECT_SECONDS: Final = 3.0
CALL_SECONDS: Final = 15.0
PAGE_SECONDS: Final = 60.0
"""In all, with every attempt and every pause between them."""
SMALL_BYTES: Final = 1024 * 1024
PAGE_BYTES: Final = 32 * 1024 * 1024
CALLS_AT_ONCE: Final = 8
CALLS_WAITING: Final = 32
"""By element."""
ATTEMPTS: Final = 3
BACK_OFF_SECONDS: Final = 0.2

_Model = TypeVar("_Model", bound=BaseModel)


class Tokens(Protocol):
    """clients.tokens.ElementTokens."""

    async def token(self, storage_id: str, scope: Scope) -> str: ...
    def forget(self, storage_id: str, scope: Scope, token: str) -> None: ...


@dataclass(frozen=True, slots=True)
class _Call:
    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    scope: Scope
    params: Mapping[str, str | int] | None = None
    json: Any = None
    if_match: str | None = None
    seconds: float | None = None
    """None: those of the client."""
    most_bytes: int = SMALL_BYTES


class ElementClient:
    """registry.calls' ElementOperations and ElementFiles.

    Reads are tried up to three times. What changes something is sent once: nobody knows what became of one that got no
    answer. A token that is refused is renewed once, for either.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        tokens: Tokens,
        *,
        seconds: float = CALL_SECONDS,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._http, self._tokens, self._seconds, self._jitter = http, tokens, seconds, jitter
        self._gate = Gate(CALLS_AT_ONCE, CALLS_WAITING)

    async def page(self, element: Addressed, path: str, params: Mapping[str, str | int]) -> bytes:
        """A page of one of the element's lists, as it came. Raises AnswerTooLong."""
        call = _Call("GET", path, Scope.STORAGE_READ, params=params, seconds=PAGE_SECONDS, most_bytes=PAGE_BYTES)
        return await self._ask(element, call)

    async def change_mode(self, element: Addressed, target: Mode, *, confirm: bool) -> ModeChanged:
        wanted = {"target_mode": target.value, "confirm": confirm}
        call = _Call("POST", "/api/v1/mode/transition", Scope.STORAGE_WRITE, json=wanted)
        return _parsed(ModeChanged, await self._ask(element, call))

    async def job(self, element: Addressed, name: Literal["reconcile", "scrub"]) -> JobState:
        call = _Call("GET", f"/api/v1/maintenance/{name}", Scope.STORAGE_READ)
        return _parsed(JobState, await self._ask(element, call))

    async def start_job(
        self, element: Addressed, name: Literal["reconcile", "scrub"], *, checksums: bool = True
    ) -> JobState:
        body = {"checksums": checksums} if name == "reconcile" else None
        call = _Call("POST", f"/api/v1/maintenance/{name}", Scope.STORAGE_WRITE, json=body)
        return _parsed(JobState, await self._ask(element, call))

    async def file(self, element: Addressed, file_id: UUID) -> File:
        call = _Call("GET", f"/api/v1/files/{file_id}", Scope.FILES_READ)
        return _file(file_id, await self._ask(element, call))

    async def change_file(self, element: Addressed, file_id: UUID, change: FileChange, *, if_match: str | None) -> File:
        given = change.model_dump(mode="json", exclude_unset=True)
        call = _Call("PATCH", f"/api/v1/files/{file_id}", Scope.FILES_WRITE, json=given, if_match=if_match)
        return _file(file_id, await self._ask(element, call))

    async def delete_file(self, element: Addressed, file_id: UUID, *, if_match: str | None) -> None:
        await self._ask(element, _Call("DELETE", f"/api/v1/files/{file_id}", Scope.FILES_WRITE, if_match=if_match))

    async def _ask(self, element: Addressed, call: _Call) -> bytes:
        """The body of an answer that is a success."""
        with told():
            async with asyncio.timeout(call.seconds or self._seconds), self._gate.through(element.storage_id):
                return await self._tried(element, call)

    async def _tried(self, element: Addressed, call: _Call) -> bytes:
        attempts = ATTEMPTS if call.method == "GET" else 1
        for attempt in range(1, attempts + 1):
            try:
                with told():
                    return await self._with_token(element, call)
            except ElementAnswersWrongly:
                raise
            except ElementUnreachable:
                if attempt == attempts:
                    raise
            await asyncio.sleep(BACK_OFF_SECONDS * 2**attempt * (0.5 + self._jitter()))
        raise AssertionError("unreachable")

    async def _with_token(self, element: Addressed, call: _Call) -> bytes:
        for _ in range(2):
            token = await self._tokens.token(element.storage_id, call.scope)
            status, content = await self._send(element, call, token)
            if status == httpx.codes.UNAUTHORIZED:
                # Nothing was done. The key may have been withdrawn since: once more with a new token.
                self._tokens.forget(element.storage_id, call.scope, token)
                continue
            if not httpx.codes.is_success(status):
                refused(status, content)
            return content
        raise ElementAnswersWrongly(REFUSES_US)

    async def _send(self, element: Addressed, call: _Call, token: str) -> tuple[int, bytes]:
        headers = {b"Authorization": f"Bearer {token}".encode()}
        if call.if_match is not None:
            headers[b"If-Match"] = call.if_match.encode("latin-1")  # as it came (RFC 9110 §5.5)
        async with self._http.stream(
            call.method,
            f"{element.url}{call.path}",
            params=call.params,
            json=call.json,
            headers=headers,
            timeout=httpx.Timeout(call.seconds or self._seconds, connect=CONNECT_SECONDS),
        ) as answer:
            return answer.status_code, await read_body(answer, call.most_bytes)


def _parsed(model: type[_Model], content: bytes) -> _Model:
    try:
        return model.model_validate_json(content)
    except ValidationError:
        raise ElementAnswersWrongly(NO_ELEMENT) from None


def _file(file_id: UUID, content: bytes) -> File:
    file = _parsed(File, content)
    if file.file_id != file_id:
        raise ElementAnswersWrongly(NO_ELEMENT)
    return file
