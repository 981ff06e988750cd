"""renditions.store.RenditionStore in an S3 bucket, which nobody but this service reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final

import aioboto3
from aiobotocore.config import AioConfig
from aiohttp import ClientPayloadError
from artstore_core.errors import StorageUnavailable
from artstore_kit.logs import get_logger
from artstore_transfer import PIECE, ByteRange
from botocore.exceptions import BotoCoreError, ClientError

from render_service.renditions.store import Missing

_log = get_logger(__name__)

_NOT_THERE: Final = frozenset({"NoSuchKey", "404", "NotFound", "InvalidRange"})
_PART_BYTES: Final = 8 * 1024 * 1024
"""A larger file goes in parts of this size, one after the other."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """`prefix` stands before every key. `encryption`: server-side, as S3 names it; empty where the server has none."""

    name: str
    prefix: str = ""
    endpoint_url: str | None = None
    region: str = "us-east-1"
    access_key: str | None = None
    secret_key: str | None = None
    encryption: str = "AES256"
    ca_file: Path | None = None
    attempts: int = 3


def _untimed(_name: str) -> AbstractContextManager[None]:
    return nullcontext()


class S3Store:
    """Opened at its first use, closed by `close`. `timed` goes round each call, and gets its name."""

    def __init__(self, bucket: Bucket, timed: Callable[[str], AbstractContextManager[None]] = _untimed) -> None:
        self._bucket, self._timed = bucket, timed
        self._open = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._made: Any = None

    async def put(self, key: str, source: Path, media_type: str) -> None:
        asked = {"Bucket": self._bucket.name, "Key": self._key(key)}
        described = {"ContentType": media_type, "CacheControl": "private"}
        if self._bucket.encryption:
            described["ServerSideEncryption"] = self._bucket.encryption
        client = await self._client()
        with self._timed("PUT"), _available(), source.open("rb") as file:
            first = await asyncio.to_thread(file.read, _PART_BYTES)
            if len(first) < _PART_BYTES:
                await client.put_object(**asked, **described, Body=BytesIO(first))
            else:
                await self._put_in_parts(client, asked, described, first, file)

    async def _put_in_parts(
        self, client: Any, asked: dict[str, str], described: dict[str, str], piece: bytes, file: BinaryIO
    ) -> None:
        begun = asked | {"UploadId": (await client.create_multipart_upload(**asked, **described))["UploadId"]}
        try:
            parts: list[dict[str, Any]] = []
            while piece:
                number = len(parts) + 1
                part = await client.upload_part(**begun, PartNumber=number, Body=BytesIO(piece))
                parts.append({"PartNumber": number, "ETag": part["ETag"]})
                piece = await asyncio.to_thread(file.read, _PART_BYTES)
            await client.complete_multipart_upload(**begun, MultipartUpload={"Parts": parts})
        except BaseException:
            # Parts of an upload that nobody ends are kept, and paid for, for ever.
            with suppress(ClientError, BotoCoreError, OSError):
                await client.abort_multipart_upload(**begun)
            raise

    async def read(self, key: str, part: ByteRange) -> AsyncIterator[bytes]:
        if part.length == 0:
            if not await self.has(key):
                raise Missing(key)
            return
        asked = {"Bucket": self._bucket.name, "Key": self._key(key), "Range": f"bytes={part.start}-{part.stop - 1}"}
        client = await self._client()
        with self._timed("GET"), _available(key):
            answer = await client.get_object(**asked)
        body = answer["Body"]
        try:
            if answer["ContentLength"] != part.length:
                raise Missing(key)
            while piece := await _piece(body):
                yield piece
        finally:
            body.close()

    async def has(self, key: str) -> bool:
        client = await self._client()
        try:
            with self._timed("HEAD"), _available(key):
                await client.head_object(Bucket=self._bucket.name, Key=self._key(key))
        except Missing:
            return False
        return True

    async def remove_all(self, prefix: str) -> None:
        client = await self._client()
        with self._timed("DELETE"), _available():
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket.name, Prefix=self._key(prefix))
            async for page in pages:
                keys = [{"Key": found["Key"]} for found in page.get("Contents", [])]
                if keys:
                    wanted = {"Objects": keys, "Quiet": True}
                    _all_gone(await client.delete_objects(Bucket=self._bucket.name, Delete=wanted))

    async def presign(self, key: str, seconds: int, media_type: str) -> str:
        client = await self._client()
        asked = {"Bucket": self._bucket.name, "Key": self._key(key), "ResponseContentType": media_type}
        return str(await client.generate_presigned_url("get_object", Params=asked, ExpiresIn=seconds))

    async def probe(self) -> None:
        client = await self._client()
        await client.head_bucket(Bucket=self._bucket.name)

    async def close(self) -> None:
        self._made = None
        await self._open.aclose()

    def _key(self, key: str) -> str:
        return f"{self._bucket.prefix}{key}"

    async def _client(self) -> Any:
        async with self._opening:
            if self._made is None:
                bucket = self._bucket
                config = AioConfig(
                    signature_version="s3v4",
                    connect_timeout=3,
                    read_timeout=30,
                    retries={"max_attempts": bucket.attempts, "mode": "standard"},
                    max_pool_connections=50,
                    s3={"addressing_style": "path"} if bucket.endpoint_url else None,
                    # Other servers than Amazon's know no checksums in trailers, and TLS guards the way.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                )
                making = aioboto3.Session().client(
                    "s3",
                    endpoint_url=bucket.endpoint_url,
                    region_name=bucket.region,
                    aws_access_key_id=bucket.access_key,
                    aws_secret_access_key=bucket.secret_key,
                    verify=str(bucket.ca_file) if bucket.ca_file else None,
                    config=config,
                )
                self._made = await self._open.enter_async_context(making)
            return self._made


def _all_gone(answer: Mapping[str, Any]) -> None:
    """Objects are refused one by one, in an answer that is itself a success. Raises StorageUnavailable."""
    if refused := answer.get("Errors"):
        _log.warning("the bucket of previews refuses to delete", code=refused[0].get("Code"), objects=len(refused))
        raise StorageUnavailable("The store of previews does not remove what it was told to")


async def _piece(body: Any) -> bytes:
    with _available():
        found: bytes = await body.read(PIECE)
    return found


@contextmanager
def _available(key: str = "") -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if key and code in _NOT_THERE:
            raise Missing(key) from None
        _log.warning("the bucket of previews refuses", code=code)
        raise StorageUnavailable("The store of previews cannot be used now") from error
    except (BotoCoreError, ClientPayloadError, OSError) as error:
        _log.warning("the bucket of previews is away", reason=type(error).__name__)
        raise StorageUnavailable("The store of previews cannot be reached now") from error
