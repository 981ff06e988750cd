"""The client, for asyncio. `artstore_client.sync` is the same for programs without an event loop."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal, Self, Unpack
from uuid import UUID

import anyio
from anyio.to_thread import run_sync
from artstore_core.files import File

from artstore_client import upload
from artstore_client.config import Config
from artstore_client.discover import load_config
from artstore_client.errors import IntegrityError
from artstore_client.fetch import Fetch
from artstore_client.landing import choose
from artstore_client.models import (
    Downloaded,
    Identity,
    SearchFilters,
    SearchHit,
    SearchPage,
    StoredFile,
    parse,
    search_body,
)
from artstore_client.names import for_path
from artstore_client.resumable.patience import OnNote
from artstore_client.resumable.sending import Ways
from artstore_client.source import OnProgress, Source
from artstore_client.transport import Call, Transport, json_body

FileId = UUID | str
Destination = str | os.PathLike[str] | BinaryIO


class AsyncArtStore:
    """ArtStore, seen from a program. Use it as a context manager, or call `aclose`.

    Without a config the settings are looked up (`artstore_client.load_config`). All methods raise the exceptions of
    `artstore_client.errors`; files and folders of this machine raise OSError. One client serves any number of tasks.
    """

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or load_config()
        self._transport = Transport(self.config)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._transport.aclose()

    async def whoami(self) -> Identity:
        """Gets a token and tells whom it stands for."""
        grant = await self._transport.tokens.current()
        claims = grant.claims()
        return Identity(
            url=self.config.url,
            subject=str(claims.get("sub", f"sa:{self.config.client_id}")),
            client_id=self.config.client_id,
            scopes=grant.scopes or tuple(str(claims.get("scope", "")).split()),
            expires_in=grant.expires_in,
        )

    async def upload(
        self,
        source: str | os.PathLike[str] | BinaryIO,
        *,
        filename: str | None = None,
        description: str | None = None,
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        retention_policy: Literal["temporary", "permanent"] | None = None,
        ttl_days: int | None = None,
        resume: bool = True,
        parallel: int | None = None,
        on_progress: OnProgress | None = None,
        on_note: OnNote | None = None,
    ) -> StoredFile:
        """Stores a file and returns what the server knows of it.

        `source` is a path or a binary file object, read from where it stands, in worker threads, 1 MiB at a time; it is
        not closed. `metadata` is a JSON object, `ttl_days` (1–365) is for temporary files.

        What is smaller than `config.uploads.resumable_from` is one request. It is sent again under one Idempotency-Key,
        so that it is stored once even where an answer was lost; a stream that cannot be rewound is sent once, and after a
        failure the file may be there, or not. What is larger is sent by tus 1.0.0, a large file in `parallel` parts at a
        time (None: as configured), and goes on where it was cut. With a path and `resume` even in another process: call
        this again with the same arguments. `on_note` hears what people may want to know: that it waits, goes on, begins
        anew.

        Raises IntegrityError when another checksum was stored than was sent, SourceChanged when the file was changed
        meanwhile; then nothing is stored, or the message names the file that could not be deleted again, because it is
        permanent. Raises AlreadyUploading while another upload of this path is under way.
        """
        fields = upload.form_fields(
            description=description,
            tags=tags,
            metadata=metadata,
            retention_policy=retention_policy,
            ttl_days=ttl_days,
        )
        if isinstance(source, str | os.PathLike):
            opened = await Source.from_path(Path(source))
        else:
            opened = await Source.from_object(source)
        policy = self.config.uploads
        # Parts of a file object would be read from here and there, and not all that can be rewound likes that.
        at_once = (parallel or policy.parallel) if opened.path else 1
        ways = Ways(policy, self.config.retry, at_once, on_progress, on_note)
        try:
            return await upload.send(
                self._transport, self.config, opened, fields, ways, filename=filename, resume=resume
            )
        finally:
            opened.close()

    async def search(
        self,
        query: str | None = None,
        *,
        limit: int = 100,
        offset: int = 0,
        cursor: str | None = None,
        **filters: Unpack[SearchFilters],
    ) -> SearchPage:
        """One page of what matches. The filters are those of `artstore_client.models.SearchFilters`. `cursor` is the
        `next_cursor` of the page before, of the same search; `offset` counts from the first page, and not beyond 100,000."""
        body = search_body(query, filters, limit=limit, offset=offset, cursor=cursor)
        call = Call("POST", "/api/v1/search", headers={"Content-Type": "application/json"}, body=json_body(body))
        return parse(SearchPage, await self._transport.json(call))

    async def search_all(
        self,
        query: str | None = None,
        *,
        page_size: int = 200,
        **filters: Unpack[SearchFilters],
    ) -> AsyncIterator[SearchHit]:
        """Everything that matches, however much, page after page, one page in memory at a time.

        Each page goes on after the last file of the one before: what is there all the while comes once.
        """
        cursor = None
        while True:
            page = await self.search(query, limit=page_size, cursor=cursor, **filters)
            for hit in page.items:
                yield hit
            if (cursor := page.next_cursor) is None:
                return

    async def info(self, file_id: FileId) -> File:
        """What is known of a file. Raises NotFound; ValueError when `file_id` is no UUID."""
        return parse(File, await self._transport.json(Call("GET", _path_of(file_id))))

    async def download(
        self, file_id: FileId, destination: Destination, *, on_progress: OnProgress | None = None
    ) -> Downloaded:
        """Fetches a file and checks it against its SHA-256.

        `destination` is a file's path (replaced if it exists), a folder (the stored name is used, made safe; nothing is
        replaced, a number is added) or a binary file object. On disk the file appears whole and flushed under its name,
        or not at all; a file object has already been given the bytes when IntegrityError is raised.
        """
        fetch = Fetch(self._transport, f"{_path_of(file_id)}/download", on_progress)
        landing = await run_sync(choose, destination)
        try:
            await run_sync(landing.open)
            async with aclosing(fetch.pieces()) as pieces:
                async for piece in pieces:
                    await run_sync(landing.write, piece)
            checksum = await run_sync(landing.sha256)
            if checksum != fetch.checksum:
                raise IntegrityError(f"{file_id}: the bytes that came do not have the checksum {fetch.checksum}")
            path = await run_sync(landing.keep, for_path(fetch.offered_name or "", str(file_id)))
        except BaseException:
            with anyio.CancelScope(shield=True):  # a cancelled download cleans up, too
                await run_sync(landing.discard)
            raise
        return Downloaded(file_id=str(file_id), path=path, size=fetch.received, checksum=checksum)


def _path_of(file_id: FileId) -> str:
    # A UUID or nothing: an id is part of a URL, where `../auth/me` would be another request.
    return f"/api/v1/files/{UUID(str(file_id))}"
