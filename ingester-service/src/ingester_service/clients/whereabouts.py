"""Admin, asked where things are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import httpx
from artstore_core.errors import AdminUnavailable
from artstore_core.files import File
from artstore_core.modes import Mode
from artstore_core.pages import MAX_LIMIT
from pydantic import BaseModel, ConfigDict

from ingester_service.resumable.whereabouts import KnownElement, Registered

_TIMEOUT = httpx.Timeout(5.0, connect=2.0)
_TROUBLE = (httpx.HTTPError, ValueError, KeyError)
_MAX_PAGES = 100


class _Element(BaseModel):
    model_config = ConfigDict(extra="ignore")

    storage_id: str
    url: str
    available_bytes: int | None = None
    mode: Mode | None = None


class _Elements(BaseModel):
    model_config = ConfigDict(extra="ignore")

    items: list[_Element]


class _Registered(File):
    storage_element_id: str


class WhereaboutsClient:
    """A Whereabouts over HTTP. `client` has admin's address and authenticates itself."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def elements(self) -> Sequence[KnownElement]:
        found: list[KnownElement] = []
        for page in range(_MAX_PAGES):
            wanted = {"limit": MAX_LIMIT, "offset": page * MAX_LIMIT}
            response = await self._asked("/api/v1/storage-elements", wanted)
            try:
                items = _Elements.model_validate_json(response.raise_for_status().content).items
            except _TROUBLE as error:
                raise AdminUnavailable("The list of storage elements cannot be had now") from error
            found += [KnownElement(one.storage_id, one.url.rstrip("/"), one.available_bytes, one.mode) for one in items]
            if len(items) < MAX_LIMIT:
                break
        return found

    async def registered(self, file_id: UUID) -> Registered | None:
        response = await self._asked(f"/api/v1/registry/files/{file_id}/location", {})
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        try:
            found = _Registered.model_validate_json(response.raise_for_status().content)
        except _TROUBLE as error:
            raise AdminUnavailable("The registry cannot be asked now") from error
        file = File.model_validate(found.model_dump(exclude={"storage_element_id"}))
        return Registered(file, found.storage_element_id)

    async def _asked(self, path: str, params: dict[str, Any]) -> httpx.Response:
        try:
            return await self._client.get(path, params=params, timeout=_TIMEOUT)
        except _TROUBLE as error:
            raise AdminUnavailable("Admin cannot be asked now") from error
