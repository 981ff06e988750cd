"""What an S3 server may do wrong: it is away then, and neither is a rendition lost nor one taken for removed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from artstore_core.errors import StorageUnavailable
from artstore_transfer import ByteRange
from render_service.clients.s3 import Bucket, S3Store
from store_conformance import new_key

_LISTED = b"<ListBucketResult><KeyCount>1</KeyCount><Contents><Key>a/b/c</Key></Contents></ListBucketResult>"
_REFUSED = b"<DeleteResult><Error><Key>a/b/c</Key><Code>InternalError</Code></Error></DeleteResult>"


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Objects break off after ten of a hundred bytes; of a list of objects to delete it deletes none."""
    head = await reader.readuntil(b"\r\n\r\n")
    if head.startswith(b"GET") and b"list-type" not in head:
        writer.write(b"HTTP/1.1 206 Partial Content\r\nContent-Length: 100\r\n\r\n" + b"x" * 10)
    else:
        body = _LISTED if head.startswith(b"GET") else _REFUSED
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    await writer.drain()
    writer.close()


@asynccontextmanager
async def failing() -> AsyncIterator[S3Store]:
    async with await asyncio.start_server(_answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        store = S3Store(
            Bucket("b", "", f"http://127.0.0.1:{port}", access_key="a", secret_key="s", encryption="", attempts=1)
        )
        try:
            yield store
        finally:
            await store.close()


async def test_bytes_that_break_off_are_a_store_that_is_away() -> None:
    async with failing() as store:
        with pytest.raises(StorageUnavailable):
            async for _ in store.read(new_key(), ByteRange(0, 100)):
                pass


async def test_objects_that_are_not_deleted_are_not_taken_for_gone() -> None:
    async with failing() as store:
        with pytest.raises(StorageUnavailable):
            await store.remove_all("a/b/")
