"""Storage elements, each called with a token that it alone accepts."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final
from uuid import UUID

import httpx
from artstore_auth.service_token import ServiceAuth, TokenSource
from artstore_core.errors import (
    AdminUnavailable,
    ArtStoreError,
    ChecksumMismatch,
    FileTooLarge,
    StorageFull,
    StorageUnavailable,
    UpstreamFailed,
)
from artstore_core.files import File, NewFile
from artstore_core.scopes import element_audience
from artstore_kit.logs import get_logger
from artstore_transfer import format_digest
from pydantic import ValidationError

from ingester_service.upload.ports import Element, Full, Refused

_log = get_logger(__name__)

TIMEOUT: Final = httpx.Timeout(30.0, connect=3.0, pool=3.0)
RESERVE_TIMEOUT: Final = httpx.Timeout(10.0, connect=3.0, pool=3.0)
"""Another element may be quicker, and the client waits."""
COMMIT_TIMEOUT: Final = httpx.Timeout(30.0, read=300.0, connect=3.0, pool=3.0)
"""An element answers once the bytes are on its disk, and a slow disk has gigabytes to flush."""
_ABORT_SECONDS: Final = 10.0
_ABORT_PAUSES: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
_SLICE_BYTES: Final = 256 * 1024 * 1024
"""Of one append. An element limits each request, and what it has of a file is known after each."""
_PAUSES: Final = (0.2, 1.0)
"""Between the tries of a request that may safely be sent again."""

NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_SAID: Final[Mapping[str, Callable[[], ArtStoreError]]] = {
    "STORAGE_FULL": lambda: StorageFull("The storage element has run out of room"),
    "FILE_TOO_LARGE": lambda: FileTooLarge("The storage element takes no file of this size"),
    "CHECKSUM_MISMATCH": lambda: ChecksumMismatch(
        "The bytes do not match their digest", details={"file": "does not match its Repr-Digest"}
    ),
}
"""What an element says that is the client's concern. Everything else is between the services."""
_TAKES_NOTHING: Final = frozenset({"MODE_NOT_ALLOWED", "ADMIN_UNAVAILABLE", "UNAUTHORIZED", "FORBIDDEN"})
"""Not in this mode, no keys to check a token with, a clock or keys by which ours is none: another element may take it."""
_BEFORE_ANY_BYTE: Final = _TAKES_NOTHING | {"STORAGE_FULL"}
"""What an element says only of a file that it has not kept."""

Request = Callable[[], Awaitable[httpx.Response]]


class ElementClient:
    """Elements over HTTP. `client` is shared by all of them."""

    def __init__(self, client: httpx.AsyncClient, tokens: TokenSource) -> None:
        self._client, self._tokens = client, tokens

    async def put(self, element: Element, file_id: UUID, body: bytes, new: NewFile, sha256: str | None) -> File:
        headers = {"Artstore-Metadata": _encoded(new), "Content-Type": "application/octet-stream"}
        if sha256 is not None:
            headers["Repr-Digest"] = format_digest(sha256)
        auth = await self.auth(element)
        url = f"{element.url}/api/v1/files/{file_id}"

        async def put() -> httpx.Response:
            return await self._client.put(url, content=body, headers=headers, auth=auth, timeout=TIMEOUT)

        response, tries = await repeated(put)
        return file_of(_stored(response, first=tries == 1))

    async def reserve(self, element: Element, upload_id: UUID, size: int | None) -> None:
        auth = await self.auth(element)
        url = f"{element.url}/api/v1/uploads/{upload_id}"
        try:
            response = await self._client.post(url, json={"size": size}, auth=auth, timeout=RESERVE_TIMEOUT)
        except httpx.HTTPError as error:
            if not isinstance(error, NOT_SENT):
                # It may have been heard, and only the answer was lost: no room is kept for a file that goes elsewhere.
                await self.abort(element, upload_id)
            raise Refused(type(error).__name__) from error
        accepted(response)

    async def append(self, element: Element, upload_id: UUID, pieces: AsyncIterator[bytes]) -> int:
        sent = 0
        auth = await self.auth(element)
        url = f"{element.url}/api/v1/uploads/{upload_id}"
        source = Slices(pieces)
        while await source.more():
            headers = {"Upload-Offset": str(sent), "Content-Type": "application/offset+octet-stream"}
            try:
                response = await self._client.patch(
                    url, content=source.slice(), headers=headers, auth=auth, timeout=COMMIT_TIMEOUT
                )
            except httpx.HTTPError as error:
                raise StorageUnavailable("The storage element broke off") from error
            raise_for(response)
            sent = source.given
            if response.headers.get("upload-offset") != str(sent):
                raise UpstreamFailed("The storage element counted other bytes than were sent")
        return sent

    async def complete(self, element: Element, upload_id: UUID, new: NewFile, size: int, sha256: str | None) -> File:
        body: dict[str, Any] = {"metadata": new.model_dump(mode="json"), "size": size}
        if sha256 is not None:
            body["sha256"] = sha256
        auth = await self.auth(element)
        url = f"{element.url}/api/v1/uploads/{upload_id}/complete"

        async def complete() -> httpx.Response:
            return await self._client.post(url, json=body, auth=auth, timeout=COMMIT_TIMEOUT)

        try:
            response, _ = await repeated(complete)
        except Refused as refusal:
            # The bytes lie there: no other element can be asked instead.
            raise StorageUnavailable("The storage element does not answer") from refusal
        raise_for(response)
        return file_of(response)

    async def abort(self, element: Element, upload_id: UUID) -> None:
        try:
            async with asyncio.timeout(_ABORT_SECONDS):
                auth = await self.auth(element)
                for pause in _ABORT_PAUSES:
                    if await self._aborted(f"{element.url}/api/v1/uploads/{upload_id}", auth):
                        return
                    await asyncio.sleep(pause)
            _log.warning("upload not aborted", storage_id=element.storage_id, reason="the element is at work on it")
        except (httpx.HTTPError, TimeoutError, ArtStoreError) as error:
            _log.warning("upload not aborted", storage_id=element.storage_id, reason=type(error).__name__)

    async def _aborted(self, url: str, auth: httpx.Auth) -> bool:
        """False while the element still deals with the piece whose connection broke."""
        response = await self._client.delete(url, auth=auth, timeout=TIMEOUT)
        if response.status_code == httpx.codes.CONFLICT:
            return False
        raise_for(response)
        return True

    async def probe(self, url: str) -> None:
        """For readiness: raises unless an element answers there."""
        response = await self._client.get(f"{url}/api/v1/info", timeout=TIMEOUT)
        response.raise_for_status()

    async def auth(self, element: Element) -> httpx.Auth:
        """Fetches the token first, so that a failure to get one is not taken for a failure of the element."""
        resource = element_audience(element.storage_id)
        try:
            await self._tokens.token(resource)
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise AdminUnavailable("No token for the storage element can be had now") from error
        return ServiceAuth(self._tokens, resource)


class Slices:
    """A stream of pieces as several request bodies. A piece is asked for only when the one before was sent."""

    def __init__(self, pieces: AsyncIterator[bytes], *, limit: bool = True) -> None:
        self._pieces, self._limit = pieces, limit
        self._next: bytes | None = None
        self.given = 0

    async def more(self) -> bool:
        if self._next is None:
            self._next = await anext(self._pieces, None)
        return self._next is not None

    async def slice(self) -> AsyncIterator[bytes]:
        end = self.given + _SLICE_BYTES
        while await self.more() and (self.given < end or not self._limit):
            piece, self._next = self._next, None
            assert piece is not None
            self.given += len(piece)
            yield piece


async def repeated(request: Request) -> tuple[httpx.Response, int]:
    """Sends a request that is harmless to repeat until it is answered; gives how often it may have been heard, too.

    Raises Refused, StorageUnavailable.
    """
    heard = 0
    for pause in (*_PAUSES, None):
        try:
            return await request(), heard + 1
        except httpx.HTTPError as error:
            heard += not isinstance(error, NOT_SENT)
            if pause is None:
                if not heard:
                    raise Refused(type(error).__name__) from error
                # It may have stored the file: another element must not store it under the same id.
                raise StorageUnavailable("The storage element does not answer") from error
            await asyncio.sleep(pause)
    raise AssertionError("the last try returns or raises")


def code_of(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return ""


def _stored(response: httpx.Response, *, first: bool) -> httpx.Response:
    """For a request that brings a whole file: raises Refused only where it is certain that nothing of it is kept.

    Another element would store it a second time under the same id. `first`: no try before this one was heard.
    """
    if response.is_success:
        return response
    code = code_of(response)
    if code in _BEFORE_ANY_BYTE and first:
        raise Full(code) if code == "STORAGE_FULL" else Refused(code)
    if code in _BEFORE_ANY_BYTE or response.is_server_error:
        _log.warning("element may have kept a file", status=response.status_code, code=code)
        raise StorageUnavailable("The storage element may have kept the file, and could not say so")
    raise_for(response)
    return response


def accepted(response: httpx.Response) -> httpx.Response:
    """For a request that brings no bytes yet: raises Refused where another element may do better."""
    if response.is_success:
        return response
    code = code_of(response)
    if code == "STORAGE_FULL":
        raise Full(code)
    if response.is_server_error or code in _TAKES_NOTHING:
        raise Refused(code or str(response.status_code))
    raise_for(response)
    return response


def raise_for(response: httpx.Response) -> None:
    if response.is_success:
        return
    code = code_of(response)
    _log.warning("element answered with an error", status=response.status_code, code=code)
    if code in _SAID:
        raise _SAID[code]()
    if response.status_code == httpx.codes.SERVICE_UNAVAILABLE or code == "MODE_NOT_ALLOWED":
        raise StorageUnavailable("The storage element stopped taking files")
    raise UpstreamFailed("The storage element could not store the file")


def file_of(response: httpx.Response) -> File:
    try:
        return File.model_validate_json(response.content)
    except ValidationError as error:
        raise UpstreamFailed("The storage element's answer cannot be read") from error


def _encoded(new: NewFile) -> str:
    return base64.urlsafe_b64encode(new.model_dump_json().encode()).rstrip(b"=").decode()
