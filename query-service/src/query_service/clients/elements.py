"""Storage elements, opened with tickets that this service makes itself (requirement Q7)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Final
from uuid import UUID

import httpx
from artstore_core.errors import (
    ArtStoreError,
    FileDamaged,
    InvalidRange,
    ModeNotAllowed,
    NotFound,
    PreconditionFailed,
    StorageUnavailable,
    UpstreamFailed,
)
from artstore_kit.logs import get_logger
from artstore_tickets import FileSubject, Tickets, element_key
from artstore_transfer import pieces

from query_service.files.lookup import Home

_log = get_logger(__name__)

_TIMEOUT: Final = httpx.Timeout(30.0, connect=3.0, pool=3.0)
"""Between two pieces; a download as a whole may take as long as it takes."""
_ANSWERS: Final = frozenset({200, 206, 304})
_SHOWN: Final = (
    "accept-ranges", "cache-control", "content-disposition", "content-length", "content-range",
    "content-digest", "content-security-policy", "content-type", "etag", "last-modified", "repr-digest", "vary",
)  # fmt: skip
"""What the element says of the file. Everything else is between the services."""
_SAID: Final[Mapping[str, ArtStoreError]] = {
    "NOT_FOUND": NotFound("There is no such file"),
    "FILE_DAMAGED": FileDamaged("The file is damaged, and its bytes are not given out"),
    "MODE_NOT_ALLOWED": ModeNotAllowed("The file is on a storage element that gives out no bytes now"),
    "PRECONDITION_FAILED": PreconditionFailed("The file is not the one that the condition names"),
}


class OpenedElement:
    """files.download.Opened over an httpx response whose body was not read yet."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.status = response.status_code
        self.headers = {name: value for name in _SHOWN if (value := response.headers.get(name)) is not None}

    def pieces(self) -> AsyncIterator[bytes]:
        return pieces(self._response.aiter_raw())

    async def close(self) -> None:
        await self._response.aclose()


class ElementSource:
    """files.download.Source over HTTP."""

    def __init__(self, client: httpx.AsyncClient, master_key: bytes) -> None:
        self._client, self._master_key = client, master_key

    async def open(self, home: Home, file_id: UUID, method: str, headers: Mapping[str, str]) -> OpenedElement:
        tickets = Tickets(home.storage_id, element_key(self._master_key, home.storage_id))
        request = self._client.build_request(
            method,
            f"{home.url}/api/v1/files/{file_id}/download",
            params={"ticket": tickets.issue(FileSubject(file_id), ["GET"])},
            headers=_as_they_came(headers),
            timeout=_TIMEOUT,
        )
        try:
            response = await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            _log.warning("element does not answer", storage_id=home.storage_id, reason=type(error).__name__)
            raise StorageUnavailable("The storage element that has this file cannot be reached now") from error
        if response.status_code in _ANSWERS:
            return OpenedElement(response)
        raise await _refusal(response, home)

    async def probe(self, url: str) -> None:
        """For readiness: raises unless an element answers there."""
        response = await self._client.get(f"{url}/api/v1/info", timeout=_TIMEOUT)
        response.raise_for_status()


def _as_they_came(headers: Mapping[str, str]) -> dict[bytes, bytes]:
    """Header values are latin-1 on the wire (RFC 9110 §5.5), and httpx would take text for ASCII."""
    sent = {name.encode("ascii"): value.encode("latin-1") for name, value in headers.items()}
    # Bytes as they are stored: a coded body would have another length and another range.
    return sent | {b"accept-encoding": b"identity"}


async def _refusal(response: httpx.Response, home: Home) -> ArtStoreError:
    status = response.status_code
    try:
        code = await _code(response)
    finally:
        await response.aclose()
    if status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
        outside = {"Content-Range": response.headers["content-range"]} if "content-range" in response.headers else {}
        return InvalidRange("The range lies outside the file", headers=outside)
    if code in _SAID:
        said = _SAID[code]
        return type(said)(said.message)
    if status == httpx.codes.NOT_FOUND:
        return NotFound("There is no such file")
    if status == httpx.codes.PRECONDITION_FAILED:
        return PreconditionFailed("The file is not the one that the condition names")
    _log.error("element refused a download", storage_id=home.storage_id, status=status, code=code)
    if status == httpx.codes.SERVICE_UNAVAILABLE:
        return StorageUnavailable("The storage element that has this file cannot give it out now")
    return UpstreamFailed("The storage element did not give out the file")


async def _code(response: httpx.Response) -> str:
    try:
        return str((await _json(response))["error"]["code"])
    except (ValueError, KeyError, TypeError, httpx.HTTPError):
        return ""


async def _json(response: httpx.Response) -> dict[str, dict[str, str]]:
    await response.aread()
    found: dict[str, dict[str, str]] = response.json()
    return found
