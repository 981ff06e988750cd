"""A file's bytes, from the storage element that has them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import httpx
from artstore_core.errors import ArtStoreError, ChecksumMismatch, FileDamaged, ModeNotAllowed, StorageUnavailable
from artstore_core.modes import ALLOWED, Operation
from artstore_kit.logs import get_logger
from artstore_tickets import FileSubject, Tickets, element_key
from artstore_transfer import pieces

from render_service.jobs.job import Home, Source

_log = get_logger(__name__)

_TIMEOUT: Final = httpx.Timeout(30.0, connect=3.0, pool=30.0)
"""Between two pieces; a file as a whole may take as long as it takes."""


class ElementBytes:
    """jobs.ports.Bytes over HTTP, opened with a ticket as query's downloads are."""

    def __init__(self, client: httpx.AsyncClient, master_key: bytes) -> None:
        self._client, self._master_key = client, master_key

    async def fetch(self, source: Source, into: Path) -> None:
        mode = source.home.mode
        if mode is not None and Operation.DOWNLOAD not in ALLOWED[mode]:
            raise ModeNotAllowed("the file is on a storage element that is archived and gives out no bytes")
        digest = hashlib.sha256()
        try:
            async with self._client.stream("GET", **self._request(source)) as response:
                if response.status_code != httpx.codes.OK:
                    raise _refused(response, source.home)
                with into.open("xb") as file:
                    async for piece in self._bounded(response, source.size):
                        await asyncio.to_thread(_write, file, digest, piece)
        except httpx.HTTPError as error:
            _log.warning("an element does not give out a file", reason=type(error).__name__)
            raise StorageUnavailable("the storage element that has the file cannot be reached") from error
        if digest.hexdigest() != source.checksum:
            raise ChecksumMismatch("the bytes that the storage element gave out are not those of the file")

    async def _bounded(self, response: httpx.Response, size: int) -> AsyncIterator[bytes]:
        """An element that sends more than the file is long must not fill this disk."""
        left = size
        async for piece in pieces(response.aiter_raw()):
            left -= len(piece)
            if left < 0:
                raise ChecksumMismatch("the storage element gave out more than the file is long")
            yield piece

    def _request(self, source: Source) -> dict[str, Any]:
        home = source.home
        tickets = Tickets(home.storage_id, element_key(self._master_key, home.storage_id))
        return {
            "url": f"{home.url}/api/v1/files/{source.file_id}/download",
            "params": {"ticket": tickets.issue(FileSubject(source.file_id), ["GET"])},
            "headers": {"Accept-Encoding": "identity"},
            "timeout": _TIMEOUT,
        }


def _refused(response: httpx.Response, home: Home) -> ArtStoreError:
    _log.warning("an element refused a file", storage_id=home.storage_id, status=response.status_code)
    if response.status_code == httpx.codes.CONFLICT:
        return FileDamaged("the storage element says that the file is damaged or archived")
    return StorageUnavailable(f"the storage element that has the file answered {response.status_code}")


def _write(file: BinaryIO, digest: hashlib._Hash, piece: bytes) -> None:
    file.write(piece)
    digest.update(piece)
