"""Files on storage elements, changed where they lie."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import httpx
from artstore_core.errors import (
    ArtStoreError,
    FileDamaged,
    ModeNotAllowed,
    NotFound,
    PreconditionFailed,
    StorageUnavailable,
    UpstreamFailed,
    ValidationFailed,
)
from artstore_core.files import File

from ingester_service.clients.elements import TIMEOUT, ElementClient, code_of, file_of, raise_for
from ingester_service.upload.ports import Element

_HANDED_ON: Final[dict[str, tuple[type[ArtStoreError], str]]] = {
    "NOT_FOUND": (NotFound, "There is no such file"),
    "PRECONDITION_FAILED": (PreconditionFailed, "The file is not in the revision that If-Match names"),
    "MODE_NOT_ALLOWED": (ModeNotAllowed, "The file's storage element does not allow this in its mode"),
    "FILE_DAMAGED": (FileDamaged, "The file is damaged"),
    "VALIDATION_ERROR": (ValidationFailed, "The change is not valid"),
}


class ElementFilesClient:
    """An ElementFiles over HTTP. `elements` makes the tokens."""

    def __init__(self, client: httpx.AsyncClient, elements: ElementClient) -> None:
        self._client, self._elements = client, elements

    async def change(self, element: Element, file_id: UUID, fields: dict[str, Any], if_match: str | None) -> File:
        return file_of(await self._asked(element, "PATCH", file_id, fields, _conditions(if_match)))

    async def delete(self, element: Element, file_id: UUID, by: str, if_match: str | None) -> int:
        headers = _conditions(if_match) | {"Artstore-Subject": by}
        response = await self._asked(element, "DELETE", file_id, None, headers)
        revision = response.headers.get("etag", "").strip('"')
        if not revision.isdigit():
            raise UpstreamFailed("The storage element's answer cannot be read")
        return int(revision)

    async def _asked(
        self, element: Element, method: str, file_id: UUID, body: dict[str, Any] | None, headers: dict[str, str]
    ) -> httpx.Response:
        auth = await self._elements.auth(element)
        url = f"{element.url}/api/v1/files/{file_id}"
        try:
            response = await self._client.request(method, url, json=body, headers=headers, auth=auth, timeout=TIMEOUT)
        except httpx.HTTPError as error:
            raise StorageUnavailable("The storage element does not answer") from error
        if (code := code_of(response)) in _HANDED_ON and response.is_client_error:
            kind, message = _HANDED_ON[code]
            raise kind(message)
        raise_for(response)
        return response


def _conditions(if_match: str | None) -> dict[str, str]:
    return {} if if_match is None else {"If-Match": if_match}
