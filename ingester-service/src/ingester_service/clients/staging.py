"""The half-files on storage elements."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import httpx
from artstore_core.errors import (
    ArtStoreError,
    ChecksumMismatch,
    Conflict,
    NotFound,
    StorageUnavailable,
    UpstreamFailed,
    ValidationFailed,
)
from artstore_core.files import File, Moment, NewFile
from artstore_transfer import PIECE
from pydantic import BaseModel, ConfigDict, ValidationError

from ingester_service.clients.elements import (
    COMMIT_TIMEOUT,
    RESERVE_TIMEOUT,
    TIMEOUT,
    ElementClient,
    Slices,
    accepted,
    code_of,
    file_of,
    raise_for,
    repeated,
)
from ingester_service.parts.ports import PartThere
from ingester_service.resumable.begun import Begun, Standing
from ingester_service.resumable.ports import Checksum, Locked, OtherOffset
from ingester_service.resumable.whereabouts import KnownElement
from ingester_service.upload.ports import Element, Refused

_SAID_OF_PARTS: Final[Mapping[str, type[ArtStoreError]]] = {
    kind.code: kind for kind in (ChecksumMismatch, Conflict, ValidationFailed)
}
"""What an element says of a client's own list of parts."""
_END_PAUSES: Final = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Between tries to end an upload: the request that its client has just given up is still being dealt with."""


class _State(BaseModel):
    model_config = ConfigDict(extra="ignore")

    offset: int
    size: int | None
    busy: bool = False
    context: dict[str, Any] | None = None
    expires_at: Moment | None = None
    lasts_seconds: float | None = None
    file: File | None = None
    part_size: int | None = None


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore")

    number: int
    size: int
    sha256: str


class _Parts(BaseModel):
    model_config = ConfigDict(extra="ignore")

    parts: list[_Part]


class StagingClient:
    """A Staging over HTTP, and a PartStaging. `elements` makes the tokens."""

    def __init__(self, client: httpx.AsyncClient, elements: ElementClient) -> None:
        self._client, self._elements = client, elements

    async def standing(self, element: KnownElement, upload_id: UUID) -> Standing | None:
        response = await self._asked(element, "GET", f"{_url(element, upload_id)}/state")
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        _raise_for(response)
        try:
            state = _State.model_validate_json(response.content)
        except ValidationError as error:
            raise UpstreamFailed("The storage element's answer cannot be read") from error
        return Standing(
            upload_id,
            element,
            state.offset,
            state.size,
            Begun.of(state.context),
            state.busy,
            state.expires_at,
            state.lasts_seconds or 0.0,
            state.file,
            state.part_size,
        )

    async def parts(self, element: KnownElement, upload_id: UUID) -> Sequence[PartThere]:
        response = await self._asked(element, "GET", f"{_url(element, upload_id)}/parts")
        _raise_for(response)
        try:
            found = _Parts.model_validate_json(response.content).parts
        except ValidationError as error:
            raise UpstreamFailed("The storage element's answer cannot be read") from error
        return [PartThere(part.number, part.size, part.sha256) for part in found]

    async def seal(self, element: KnownElement, upload_id: UUID, sha256s: Sequence[str], sha256: str | None) -> None:
        body = {"parts": list(sha256s), "sha256": sha256}
        url = f"{_url(element, upload_id)}/seal"
        response = await self._asked(element, "POST", url, body, COMMIT_TIMEOUT)
        if not response.is_success and code_of(response) in _SAID_OF_PARTS and "retry-after" not in response.headers:
            error = response.json()["error"]
            raise _SAID_OF_PARTS[error["code"]]("The parts are not those of the upload", details=error.get("details"))
        _raise_for(response)

    async def reserve(
        self,
        element: Element,
        upload_id: UUID,
        size: int | None,
        context: dict[str, Any],
        part_size: int | None = None,
    ) -> int:
        asked = {"size": size, "context": context} | ({} if part_size is None else {"part_size": part_size})
        try:
            response = await self._asked(element, "POST", _url(element, upload_id), asked, RESERVE_TIMEOUT)
        except StorageUnavailable as error:
            await self._elements.abort(element, upload_id)
            raise Refused(str(error)) from error
        if response.status_code == httpx.codes.CONFLICT:
            _raise_for_conflict(response)
        accepted(response)
        return int(response.json()["offset"])

    async def give_size(self, element: Element, upload_id: UUID, size: int) -> None:
        _raise_for(await self._asked(element, "POST", _url(element, upload_id), {"size": size}))

    async def append(
        self,
        element: Element,
        upload_id: UUID,
        offset: int,
        pieces: AsyncIterator[bytes],
        checksum: Checksum | None = None,
    ) -> int:
        auth = await self._elements.auth(element)
        # With a checksum all of it is one request: the element judges each by itself.
        source = Slices(pieces, limit=checksum is None)
        while await source.more() or (checksum is not None and not source.given):
            headers = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
            if checksum is not None:
                headers["Upload-Checksum"] = f"{checksum.algorithm} {checksum.digest}"
            try:
                response = await self._client.patch(
                    _url(element, upload_id), content=source.slice(), headers=headers, auth=auth, timeout=COMMIT_TIMEOUT
                )
            except httpx.HTTPError as error:
                raise StorageUnavailable("The storage element broke off") from error
            _raise_for(response)
            offset = int(response.headers["upload-offset"])
            if not source.given:
                break
        return offset

    async def read(self, element: Element, upload_id: UUID, start: int, length: int) -> AsyncGenerator[bytes, None]:
        headers = {"Range": f"bytes={start}-{start + length - 1}"}
        auth = await self._elements.auth(element)
        try:
            async with self._client.stream(
                "GET", _url(element, upload_id), headers=headers, auth=auth, timeout=TIMEOUT
            ) as response:
                if response.is_error:
                    await response.aread()
                    _raise_for(response)
                async for chunk in response.aiter_bytes(PIECE):
                    yield chunk
        except httpx.HTTPError as error:
            raise StorageUnavailable("The storage element broke off") from error

    async def concatenate(self, element: Element, upload_id: UUID, parts: Sequence[UUID]) -> None:
        body = {"parts": [str(part) for part in parts]}
        url = f"{_url(element, upload_id)}/concatenate"
        _raise_for(await self._asked(element, "POST", url, body, COMMIT_TIMEOUT))

    async def complete(self, element: Element, upload_id: UUID, new: NewFile, size: int) -> File:
        auth = await self._elements.auth(element)
        url = f"{_url(element, upload_id)}/complete"
        body = {"metadata": new.model_dump(mode="json"), "size": size}

        async def complete() -> httpx.Response:
            return await self._client.post(url, json=body, auth=auth, timeout=COMMIT_TIMEOUT)

        try:
            response, _ = await repeated(complete)
        except Refused as refusal:
            raise StorageUnavailable("The storage element does not answer") from refusal
        # Locked, where it reads a terabyte once more and the first of these requests was given up on.
        _raise_for(response)
        return file_of(response)

    async def end(self, element: Element, upload_id: UUID) -> None:
        for pause in _END_PAUSES:
            response = await self._asked(element, "DELETE", _url(element, upload_id))
            if response.status_code != httpx.codes.CONFLICT:
                return _raise_for(response)
            await asyncio.sleep(pause)
        raise Locked

    async def _asked(
        self,
        element: Element,
        method: str,
        url: str,
        body: dict[str, Any] | None = None,
        timeout: httpx.Timeout = TIMEOUT,
    ) -> httpx.Response:
        auth = await self._elements.auth(element)
        try:
            return await self._client.request(method, url, json=body, auth=auth, timeout=timeout)
        except httpx.HTTPError as error:
            raise StorageUnavailable("The storage element does not answer") from error


def _url(element: Element, upload_id: UUID) -> str:
    return f"{element.url}/api/v1/uploads/{upload_id}"


def _raise_for(response: httpx.Response) -> None:
    """Beside what any request to an element may hear, what only uploads do."""
    if response.status_code == httpx.codes.NOT_FOUND:
        raise NotFound("There is no such upload")
    if response.status_code == httpx.codes.CONFLICT:
        _raise_for_conflict(response)
    raise_for(response)


def _raise_for_conflict(response: httpx.Response) -> None:
    if "upload-offset" in response.headers:
        raise OtherOffset("The upload ends elsewhere", headers={"Upload-Offset": response.headers["upload-offset"]})
    if "retry-after" in response.headers:
        raise Locked
