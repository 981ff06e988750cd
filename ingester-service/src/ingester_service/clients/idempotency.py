"""Idempotency keys, which admin keeps."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx
from artstore_core.errors import AdminUnavailable, Conflict
from artstore_core.files import File
from artstore_kit.logs import get_logger
from pydantic import BaseModel, ConfigDict

from ingester_service.upload.idempotency import Attempt, Begun, Done

_log = get_logger(__name__)
_URL = "/api/v1/idempotency-keys"
_TIMEOUT = httpx.Timeout(5.0, connect=2.0)
_TROUBLE = (httpx.HTTPError, ValueError, KeyError)


class _Key(BaseModel):
    model_config = ConfigDict(extra="ignore")

    file_id: UUID
    again: bool = False
    fingerprint: str | None = None
    file: File | None = None
    registered: bool = False


class IdempotencyClient:
    """A KeyKeeper over HTTP. `client` has admin's address and authenticates itself."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def begin(self, attempt: Attempt, file_id: UUID) -> Begun | Done:
        try:
            response = await self._ask("PUT", _URL, attempt, file_id)
            found = _Key.model_validate_json(response.content)
        except _TROUBLE as error:
            raise _away() from error
        if found.fingerprint is None:
            return Begun(found.file_id, found.again)
        return Done(found.file_id, found.fingerprint, found.file, found.registered)

    async def finish(self, attempt: Attempt, file_id: UUID, fingerprint: str, file: File | None) -> None:
        answer = None if file is None else file.model_dump(mode="json")
        try:
            await self._ask("POST", f"{_URL}/finish", attempt, file_id, fingerprint=fingerprint, answer=answer)
        except _TROUBLE as error:
            raise _away() from error

    async def give_up(self, attempt: Attempt, file_id: UUID, *, unknown: bool) -> None:
        try:
            await self._ask("DELETE", _URL, attempt, file_id, unknown=unknown)
        except (*_TROUBLE, Conflict) as error:
            _log.warning("idempotency key not given up: it frees itself", reason=type(error).__name__)

    async def _ask(self, method: str, url: str, attempt: Attempt, file_id: UUID, **more: Any) -> httpx.Response:
        """Raises Conflict, and what _TROUBLE lists."""
        body = {
            "principal": attempt.principal,
            "key_hash": attempt.key_hash,
            "holder": str(attempt.holder),
            "file_id": str(file_id),
            **more,
        }
        response = await self._client.request(method, url, json=body, timeout=_TIMEOUT)
        if response.status_code == httpx.codes.CONFLICT:
            raise Conflict(
                "A request with this Idempotency-Key is being dealt with",
                headers={"Retry-After": response.headers.get("retry-after", "1")},
            )
        response.raise_for_status()
        return response


def _away() -> AdminUnavailable:
    return AdminUnavailable("Idempotency keys cannot be looked up now")
