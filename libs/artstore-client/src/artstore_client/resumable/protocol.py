"""tus 1.0.0 with creation, concatenation and termination, as far as a client needs it. One request each, no retries."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import httpx

from artstore_client.errors import ArtStoreClientError, ProtocolError
from artstore_client.models import StoredFile, parse
from artstore_client.multipart import Field
from artstore_client.transport import Call, Transport

UPLOADS = "/api/v1/uploads"
_VERSION = {"Tus-Resumable": "1.0.0"}
_IN_QUERY = ("retention_policy", "ttl_days")


class Tus:
    """`fields` are what is said of the file. Those that choose the storage element go into the query string."""

    def __init__(self, transport: Transport, filename: str, content_type: str, fields: Sequence[Field]) -> None:
        self._transport = transport
        chosen = [(name, value) for name, value in fields if name in _IN_QUERY]
        self._path = f"{UPLOADS}?{urlencode(chosen)}" if chosen else UPLOADS
        described = {"filename": filename, "filetype": content_type}
        described |= {name: value for name, value in fields if name not in _IN_QUERY}
        self._registered = True
        self._metadata = {"Upload-Metadata": ",".join(f"{name} {_b64(value)}" for name, value in described.items())}

    async def begin(self, length: int, *, key: str, partial: bool) -> UUID:
        """A new upload; the same one for the same key. Parts say what the file is, too: what is wrong with it must be told
        before they are sent, and not when they are joined."""
        headers = {"Upload-Length": str(length), **self._metadata, **({"Upload-Concat": "partial"} if partial else {})}
        answer = await self._ask("POST", self._path, headers, key=key)
        return _id_in(answer.headers.get("location", ""))

    async def offset(self, upload_id: UUID) -> int:
        """How much of it is there. Raises NotFound."""
        return _offset_in(await self._ask("HEAD", _path_of(upload_id), {}, patient=True))

    async def append(self, upload_id: UUID, offset: int, length: int, body: Callable[[], AsyncIterable[bytes]]) -> int:
        """Adds so many bytes at the offset; returns the new one."""
        headers = {
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(length),
        }
        answer = await self._ask("PATCH", _path_of(upload_id), headers, body=body, patient=True)
        self._registered = answer.headers.get("artstore-registered") != "false"
        return _offset_in(answer)

    async def join(self, parts: Sequence[UUID]) -> StoredFile:
        """One file of them, in this order; the same one however often it is asked for."""
        urls = " ".join(_path_of(part) for part in parts)
        headers = {"Upload-Concat": f"final;{urls}", **self._metadata}
        return parse(StoredFile, _json(await self._ask("POST", self._path, headers, patient=True)))

    async def file(self, upload_id: UUID) -> StoredFile | None:
        """What it became; None while it is none yet."""
        state = _json(await self._ask("GET", _path_of(upload_id), {}))
        return parse(StoredFile, state["file"] | {"registered": self._registered}) if state.get("file") else None

    async def give_up(self, upload_id: UUID) -> None:
        """Nothing of it stays."""
        await self._ask("DELETE", _path_of(upload_id), {})

    async def delete(self, file: StoredFile) -> bool:
        """Takes back a file that is not what was sent. False where that cannot be: permanent files stay."""
        try:
            await self._transport.answer(Call("DELETE", f"/api/v1/files/{file.file_id}"))
        except ArtStoreClientError:
            return False
        return True

    async def _ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        body: Callable[[], AsyncIterable[bytes]] | None = None,
        key: str | None = None,
        patient: bool = False,
    ) -> httpx.Response:
        call = Call(
            method,
            path,
            headers={**_VERSION, **headers},
            body=body,
            patient=patient,
            once=True,
            key=key,
        )
        return await self._transport.answer(call)


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _path_of(upload_id: UUID) -> str:
    return f"{UPLOADS}/{upload_id}"


def _id_in(location: str) -> UUID:
    """Only the id is taken: bytes and token go where the configuration says, and not where an answer does."""
    try:
        return UUID(location.rpartition("/")[2])
    except ValueError as error:
        raise ProtocolError("the server began an upload and did not say where it is") from error


def _offset_in(answer: httpx.Response) -> int:
    value = answer.headers.get("upload-offset", "")
    if not (value.isascii() and value.isdecimal()):
        raise ProtocolError("the server did not say how much of the upload it has")
    return int(value)


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        value = json.loads(answer.content)
    except ValueError as error:
        raise ProtocolError("the server did not answer with JSON") from error
    if not isinstance(value, dict):
        raise ProtocolError("the server did not answer with a JSON object")
    return value
