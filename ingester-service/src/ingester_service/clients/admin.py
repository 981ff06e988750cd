"""Admin-service, called with a token for ArtStore's inside."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import httpx
from artstore_core.elements import ElementStatus
from artstore_core.errors import AdminUnavailable, QuotaExceeded
from artstore_core.files import File
from artstore_core.modes import Mode
from artstore_core.pages import MAX_LIMIT
from artstore_kit.logs import get_logger
from pydantic import BaseModel, ConfigDict

from ingester_service.upload.ports import Element, RegistrationFailed, RegistrationRefused

_log = get_logger(__name__)
_TIMEOUT = httpx.Timeout(5.0, connect=2.0)
_MAY_PASS = frozenset({401, 408, 425, 429})
"""Refusals that a later try may not meet; 401 because a new token is fetched for it."""

_JSON = {"Content-Type": "application/json"}

_TROUBLE = (httpx.HTTPError, ValueError, KeyError)
"""No answer, or one that cannot be read, whether of admin's registry or of its token endpoint."""


class _Element(BaseModel):
    model_config = ConfigDict(extra="ignore")

    storage_id: str
    url: str
    available_bytes: int | None = None


class _Elements(BaseModel):
    model_config = ConfigDict(extra="ignore")

    items: list[_Element]


class _Reservation(BaseModel):
    model_config = ConfigDict(extra="ignore")

    limited: bool


class _Error(BaseModel):
    model_config = ConfigDict(extra="ignore")

    code: str
    message: str
    details: dict[str, str] = {}


class _Refusal(BaseModel):
    model_config = ConfigDict(extra="ignore")

    error: _Error


class _Outcomes(BaseModel):
    model_config = ConfigDict(extra="ignore")

    outcomes: list[str]


class _Row(File):
    storage_element_id: str


def _row(file: File, storage_id: str) -> bytes:
    """A file as the registry has it. What came from an element was checked when it came."""
    row = _Row.model_construct(file.model_fields_set, **dict(file), storage_element_id=storage_id)
    return row.model_dump_json().encode()


class AdminClient:
    """An Admin, a Registrar and a QuotaKeeper over HTTP. `client` has admin's address and authenticates itself."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def writable(self, mode: Mode) -> Sequence[Element]:
        wanted = {"mode": mode.value, "status": ElementStatus.ONLINE.value, "limit": str(MAX_LIMIT)}
        try:
            response = await self._client.get("/api/v1/storage-elements", params=wanted, timeout=_TIMEOUT)
            response.raise_for_status()
            found = _Elements.model_validate_json(response.content)
        except _TROUBLE as error:
            raise AdminUnavailable("The list of storage elements cannot be had now") from error
        return [Element(item.storage_id, item.url.rstrip("/"), item.available_bytes) for item in found.items]

    async def register(self, file: File, storage_id: str) -> None:
        await self._register("/api/v1/registry/files", _row(file, storage_id))

    async def register_together(self, files: Sequence[tuple[File, str]]) -> Sequence[str]:
        body = b'{"files":[' + b",".join(_row(*one) for one in files) + b"]}"
        response = await self._register("/api/v1/registry/files/together", body)
        try:
            outcomes = _Outcomes.model_validate_json(response.content).outcomes
        except ValueError as error:
            raise RegistrationFailed("admin's answer cannot be read") from error
        if len(outcomes) != len(files):
            raise RegistrationFailed("admin answered for another number of files")
        return outcomes

    async def _register(self, path: str, body: bytes) -> httpx.Response:
        try:
            response = await self._client.post(path, content=body, headers=_JSON, timeout=_TIMEOUT)
        except _TROUBLE as error:
            raise RegistrationFailed(type(error).__name__) from error
        if response.is_success:
            return response
        if response.is_server_error or response.status_code in _MAY_PASS:
            raise RegistrationFailed(f"admin answered {response.status_code}")
        raise RegistrationRefused(f"admin answered {response.status_code}")

    async def reserve(self, file_id: UUID, principal: str, size: int) -> bool:
        body = {"principal": principal, "bytes": size}
        try:
            response = await self._client.put(f"/api/v1/quota-reservations/{file_id}", json=body, timeout=_TIMEOUT)
            if response.status_code == httpx.codes.FORBIDDEN:
                refusal = _Refusal.model_validate_json(response.content).error
                if refusal.code == QuotaExceeded.code:
                    raise QuotaExceeded(refusal.message, details=refusal.details)
            response.raise_for_status()
            return _Reservation.model_validate_json(response.content).limited
        except _TROUBLE as error:
            raise AdminUnavailable("The account's quota cannot be asked for now") from error

    async def release(self, file_id: UUID) -> None:
        try:
            response = await self._client.delete(f"/api/v1/quota-reservations/{file_id}", timeout=_TIMEOUT)
            response.raise_for_status()
        except _TROUBLE as error:
            _log.warning("quota not given back: it ends by itself", file_id=str(file_id), reason=type(error).__name__)

    async def probe(self) -> None:
        """For readiness: raises unless admin can do its work."""
        response = await self._client.get("/health/ready", auth=None, timeout=_TIMEOUT)
        response.raise_for_status()
