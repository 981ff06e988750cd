"""Storage elements, opened with tickets that this service makes itself (requirement Q7)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Final
from uuid import UUID

import httpx
from artstore_core.elements import ElementInfo, ElementStatus
from artstore_core.errors import ArtStoreError, NotFound, StorageUnavailable, UpstreamFailed
from artstore_kit.logs import get_logger
from artstore_tickets import FileSubject, Tickets, element_key
from pydantic import ValidationError

from query_service.clients.patience import NotNow, Patience, persistently
from query_service.clients.refusals import read_json, refusal
from query_service.clients.streams import OpenedElement, Part, part_of
from query_service.files.download import Asked
from query_service.files.lookup import Home
from query_service.metrics import QueryMetrics

_log = get_logger(__name__)

_TIMEOUT: Final = httpx.Timeout(30.0, connect=3.0, pool=3.0)
"""Between two pieces; a download as a whole may take as long as it takes."""
_CONFIRM_SECONDS: Final = 5.0
_ANSWERS: Final = frozenset({200, 206, 304})


class ElementSource:
    """files.download.Source over HTTP. Has patience before the first byte, and more of it after."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        master_key: bytes,
        metrics: QueryMetrics,
        *,
        opening: Patience,
        resuming: Patience,
    ) -> None:
        self._client, self._master_key, self._metrics = client, master_key, metrics
        self._opening, self._resuming = opening, resuming

    async def open(self, home: Home, asked: Asked) -> OpenedElement:
        response = await persistently(partial(self._ask, home, asked), self._opening, self._metrics.retries.inc)
        return OpenedElement(response, partial(self._reopen, home, asked), self._metrics)

    async def confirm_missing(self, home: Home, file_id: UUID) -> None:
        first_byte = Asked(file_id, "GET", {"range": "bytes=0-0"})
        try:
            async with asyncio.timeout(_CONFIRM_SECONDS):
                await self._confirm_identity(home)
                # Asked once more: the answer before may have been that of something else at this address.
                response = await self._ask(home, first_byte)
        except NotFound:
            return
        except (TimeoutError, ArtStoreError) as error:
            raise _unsure() from error
        await response.aclose()
        raise _unsure()

    async def probe(self, url: str) -> None:
        """For readiness: raises unless an element answers there."""
        response = await self._client.get(f"{url}/api/v1/info", timeout=_TIMEOUT)
        response.raise_for_status()

    async def _ask(self, home: Home, asked: Asked) -> httpx.Response:
        tickets = Tickets(home.storage_id, element_key(self._master_key, home.storage_id))
        ticket = tickets.issue(FileSubject(asked.file_id), ["GET"], disposition=asked.disposition)
        request = self._client.build_request(
            asked.method,
            f"{home.url}/api/v1/files/{asked.file_id}/download",
            params={"ticket": ticket},
            headers=_as_they_came(asked.headers),
            timeout=_TIMEOUT,
        )
        response = await self._send(request, home)
        if response.status_code in _ANSWERS:
            return response
        raise await refusal(response, home)

    async def _send(self, request: httpx.Request, home: Home) -> httpx.Response:
        try:
            return await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            _log.warning("element does not answer", storage_id=home.storage_id, reason=type(error).__name__)
            # A pool that is full is our own doing: more attempts would only make the queue longer.
            kind = StorageUnavailable if isinstance(error, httpx.PoolTimeout) else NotNow
            raise kind("The storage element that has this file cannot be reached now") from error

    async def _reopen(self, home: Home, asked: Asked, part: Part) -> httpx.Response:
        again = Asked(asked.file_id, "GET", part.asked, asked.disposition)
        response = await persistently(partial(self._ask, home, again), self._resuming, self._metrics.retries.inc)
        if response.status_code != httpx.codes.PARTIAL_CONTENT or part_of(response) != part:
            await response.aclose()
            _log.error("element did not go on where it broke off", storage_id=home.storage_id)
            raise UpstreamFailed("The storage element did not give out the rest of the file")
        return response

    async def _confirm_identity(self, home: Home) -> None:
        request = self._client.build_request("GET", f"{home.url}/api/v1/info", timeout=_TIMEOUT)
        response = await self._send(request, home)
        try:
            info = ElementInfo.model_validate(await read_json(response)) if response.is_success else None
        except ValidationError:
            info = None
        finally:
            await response.aclose()
        if info is None or info.storage_id != home.storage_id or info.status is not ElementStatus.ONLINE:
            _log.error("another than the element answers at its url", storage_id=home.storage_id)
            raise _unsure()
        if home.epoch is not None and info.epoch != home.epoch:
            # The same name on another disk, or on a copy of an earlier day. Admin's full walk will tell what is there.
            _log.error("the element has another disk than admin knows", storage_id=home.storage_id)
            raise _unsure()


def _unsure() -> StorageUnavailable:
    return StorageUnavailable("The storage element that has this file cannot give it out now")


def _as_they_came(headers: Mapping[str, str]) -> dict[bytes, bytes]:
    """Header values are latin-1 on the wire (RFC 9110 §5.5), and httpx would take text for ASCII."""
    sent = {name.encode("ascii"): value.encode("latin-1") for name, value in headers.items()}
    # Bytes as they are stored: a coded body would have another length and another range.
    return sent | {b"accept-encoding": b"identity"}
