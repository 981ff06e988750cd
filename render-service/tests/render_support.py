"""What render's tests share: a migrated database, the registry's rows, a decoder that makes real pictures, running apps."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from admin_service.db.migrate import MIGRATIONS as ADMIN_MIGRATIONS
from artstore_testing.postgres import Database, PostgresServer
from artstore_testing.servers import free_port
from artstore_testing.tokens import TokenIssuer
from asgi_lifespan import LifespanManager
from PIL import Image
from pydantic import SecretStr
from query_support import MASTER_KEY, Registry, Row
from render_service.config import Settings
from render_service.db.migrate import MIGRATIONS
from render_service.decoders.contract import (
    Decoded,
    DecodeFailed,
    Limits,
    MediaKind,
    Output,
    Progress,
    Ready,
    RenditionKind,
    Wanted,
)
from render_service.decoders.tiles import MEDIA_TYPE, write_tiles
from render_service.main import build, build_worker
from stored_support import row_of, store

SECONDS = 60.0
"""How long a test waits for what must happen: far longer than it takes, so that a busy machine fails nothing."""


def migrate(postgres: PostgresServer, database: Database) -> None:
    ADMIN_MIGRATIONS.upgrade(database.url())
    MIGRATIONS.upgrade(database.url())
    postgres.allow_login("artstore_admin", "artstore_query", "artstore_render")


def settings_for(database: Database, issuer: TokenIssuer, directory: Path, **changes: Any) -> Settings:
    """Admin is away: its keys come from the cache on disk."""
    cache = directory / "jwks.json"
    cache.write_text(json.dumps(issuer.jwks()))
    given: dict[str, Any] = {
        "issuer": issuer.issuer,
        "jwks_url": f"http://127.0.0.1:{free_port()}/jwks.json",
        "jwks_cache_file": cache,
        "database_url": SecretStr(database.url("artstore_render")),
        "ticket_master_key": SecretStr(base64.b64encode(MASTER_KEY).decode()),
        "public_url": "http://render",
        "store_dir": directory / "renditions",
        "heartbeat_seconds": 2.0,
        "shutdown_grace_seconds": 5,
    }
    return Settings(**given | changes)


def picture(width: int = 600, height: int = 400, colour: str = "red") -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(made, "PNG")
    return made.getvalue()


def picture_row(content: bytes, name: str = "a.png", element: str = "se-rw-1") -> Row:
    row = row_of(name, content, element)
    row.content_type = "image/png"
    return row


@dataclass
class PictureDecoder:
    """Makes a thumb, a preview and tiles of a picture, in this process. `gate` holds it before it begins."""

    gate: asyncio.Event | None = None
    fails: list[DecodeFailed] = field(default_factory=list)
    begun: list[Path] = field(default_factory=list)
    sources: list[bytes] = field(default_factory=list)
    started: asyncio.Event = field(default_factory=asyncio.Event)
    pages: int = 1

    async def __call__(
        self,
        source: Path,
        kind: MediaKind,
        wanted: Wanted,
        into: Path,
        limits: Limits,
        progress: Progress,
        ready: Ready | None = None,
    ) -> Decoded:
        del kind, limits
        self.begun.append(source)
        self.sources.append(await asyncio.to_thread(source.read_bytes))
        self.started.set()
        progress(0, self.pages)
        if self.fails:
            raise self.fails.pop(0)
        thumb = await asyncio.to_thread(_scaled, source, into, RenditionKind.THUMB, 256)
        if ready is not None:
            ready(thumb)  # from now on it is being read, and not to be written again
        progress(min(12, self.pages), self.pages)
        if self.gate is not None:
            await self.gate.wait()
        others = await asyncio.to_thread(_made, source, into, wanted)
        progress(self.pages, self.pages)
        return Decoded([thumb, *others], {"width": 600, "height": 400})


def _made(source: Path, into: Path, wanted: Wanted) -> list[Output]:
    import pyvips

    outputs = [_scaled(source, into, RenditionKind.PREVIEW, 512)]
    if wanted.tiles:
        path = into / "tiles"
        pyramid = write_tiles(pyvips.Image.new_from_file(str(source)), path)
        outputs.append(Output(RenditionKind.TILE, path, MEDIA_TYPE, pyramid.width, pyramid.height))
    return outputs


def _scaled(source: Path, into: Path, kind: RenditionKind, width: int) -> Output:
    path = into / f"{kind}.webp"
    with Image.open(source) as image:
        image.thumbnail((width, width))
        image.save(path, "WEBP")
        return Output(kind, path, "image/webp", image.width, image.height)


@dataclass
class Bench:
    """A running render-service (`http`), and the registry that it reads."""

    http: httpx.AsyncClient
    registry: Registry
    issuer: TokenIssuer
    settings: Settings
    database: Database

    async def look(self, file_id: UUID, expect: int = 200) -> Any:
        answer = await self.http.get(f"/api/v1/renditions/{file_id}", headers=self.issuer.bearer())
        assert answer.status_code == expect, answer.text
        return answer.json()

    async def ready(self, file_id: UUID) -> list[dict[str, Any]]:
        """The list, once everything is there."""
        await self.state(file_id, "ready")
        found: list[dict[str, Any]] = await self.look(file_id)
        return found

    async def job(self, file_id: UUID) -> dict[str, Any] | None:
        params = {"file_id": str(file_id)}
        answer = await self.http.get("/api/v1/render-jobs", params=params, headers=self.issuer.bearer())
        assert answer.status_code == 200, answer.text
        items = answer.json()["items"]
        return items[0] if items else None

    async def state(self, file_id: UUID, *states: str) -> dict[str, Any]:
        """The job, once it is in one of these states."""
        found: dict[str, Any] | None = None

        async def there() -> bool:
            nonlocal found
            found = await self.job(file_id)
            return found is not None and found["state"] in states

        try:
            await eventually(there)
        except TimeoutError:
            raise AssertionError(f"not {states}: {found}") from None
        assert found is not None
        return found

    async def fetch(self, statement: str, *values: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.database.url())
        try:
            found: list[asyncpg.Record] = await connection.fetch(statement, *values)
            return found
        finally:
            await connection.close()


async def added(bench: Bench, element: str, content: bytes) -> Row:
    row = picture_row(content)
    await store(element, row, bench.issuer, content)
    await bench.registry.add(row)
    return row


@asynccontextmanager
async def running_render(settings: Settings, database: Database, issuer: TokenIssuer) -> AsyncIterator[Bench]:
    async with (
        LifespanManager(build(settings), startup_timeout=SECONDS, shutdown_timeout=SECONDS) as manager,
        httpx.AsyncClient(transport=httpx.ASGITransport(manager.app), base_url="http://render") as http,
    ):
        yield Bench(http, Registry(database), issuer, settings, database)


@asynccontextmanager
async def running_worker(settings: Settings, decoder: PictureDecoder) -> AsyncIterator[None]:
    async with LifespanManager(build_worker(settings, decoder), startup_timeout=SECONDS, shutdown_timeout=SECONDS):
        yield


async def eventually(condition: Callable[[], Awaitable[bool]], seconds: float = SECONDS) -> None:
    """Asks until it is so; raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110  it is another process' or thread's doing
            await asyncio.sleep(0.05)
