"""A file on a real element, registered; and query on a socket."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from artstore_core.modes import Mode
from artstore_core.scopes import element_audience
from artstore_testing.postgres import Database
from artstore_testing.servers import running_app
from artstore_testing.tokens import TokenIssuer
from query_service.config import Settings
from query_service.main import build
from query_support import Registry, Row, running_element

ELEMENT = "se-rw-1"
MIB = 1024 * 1024
CONTENT = bytes(range(256)) * (3 * MIB // 256) + b"tail"


@dataclass
class Stored:
    http: httpx.AsyncClient
    element: str
    registry: Registry
    row: Row
    headers: dict[str, str]

    @property
    def path(self) -> str:
        return f"/api/v1/files/{self.row.file_id}/download"

    async def get(self, **headers: str) -> httpx.Response:
        return await self.http.get(self.path, headers=self.headers | headers)

    async def metric(self, name: str) -> float:
        for line in (await self.http.get("/metrics")).text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[1])
        raise AssertionError(f"there is no {name}")


async def store(element: str, row: Row, issuer: TokenIssuer, content: bytes = CONTENT) -> None:
    token = issuer.bearer(["files:write"], audience=element_audience(row.storage_element_id))
    described = {
        "original_filename": row.original_filename,
        "content_type": row.content_type,
        "uploaded_by": row.uploaded_by,
    }
    async with httpx.AsyncClient(base_url=element, headers=token) as client:
        for method, path, options in (
            ("POST", "", {"json": {"size": len(content)}}),
            ("PATCH", "", {"content": content, "headers": {"Upload-Offset": "0"}}),
            ("POST", "/complete", {"json": {"metadata": described}}),
        ):
            answer = await client.request(method, f"/api/v1/uploads/{row.file_id}{path}", **options)
            assert answer.is_success, answer.text


async def remove(element: str, row: Row, issuer: TokenIssuer) -> None:
    """As its owner does it: the element forgets the file, and query is told nothing."""
    token = issuer.bearer(["files:write"], audience=element_audience(row.storage_element_id))
    async with httpx.AsyncClient(base_url=element, headers=token) as client:
        assert (await client.delete(f"/api/v1/files/{row.file_id}")).status_code == 204


def row_of(name: str, content: bytes = CONTENT, storage_id: str = ELEMENT) -> Row:
    return Row(name, storage_id, size=len(content), checksum=hashlib.sha256(content).hexdigest())


@asynccontextmanager
async def serving(settings: Settings, timeout: float = 30) -> AsyncIterator[httpx.AsyncClient]:
    with running_app(build(settings)) as url:
        async with httpx.AsyncClient(base_url=url, timeout=timeout) as http:
            yield http


@asynccontextmanager
async def stored_file(
    settings: Settings, database: Database, issuer: TokenIssuer, directory: Path, mode: Mode = Mode.RW
) -> AsyncIterator[Stored]:
    with ExitStack() as stack:
        element = stack.enter_context(running_element(ELEMENT, directory, issuer, mode=mode))
        registry = Registry(database)
        await registry.element(ELEMENT, element, mode.value)
        row = row_of("отчёт.pdf")
        await registry.add(row)
        await store(element, row, issuer)
        async with serving(settings) as http:
            yield Stored(http, element, registry, row, issuer.bearer())
