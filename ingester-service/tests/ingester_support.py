"""What ingester's tests share: real storage elements, an admin that can be told to fail, a client."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from artstore_core.modes import Mode
from artstore_core.scopes import Scope, element_audience
from artstore_kit.errors import install_error_handlers
from artstore_testing.servers import running_app, wait_until_ready
from artstore_testing.tokens import TokenIssuer
from artstore_tickets import element_key, encode_key
from fastapi import APIRouter, FastAPI, Form, Request
from fastapi.responses import JSONResponse
from pydantic import SecretStr
from storage_element.config import Settings as ElementSettings
from storage_element.disk.filesystem import RealFileSystem
from storage_element.disk.root import DataRoot
from storage_element.main import build

MIB = 1024 * 1024
BOUNDARY = "7d3f2a"
MASTER_KEY = bytes(range(32))
_POLL_SECONDS = 0.02


def part(name: str, value: bytes | str, *headers: str, disposition: str = "") -> bytes:
    """One part of a body; `disposition` is put behind the name as it stands."""
    lines = [f'Content-Disposition: form-data; name="{name}"{disposition}', *headers]
    content = value.encode() if isinstance(value, str) else value
    return f"--{BOUNDARY}\r\n".encode() + "\r\n".join(lines).encode() + b"\r\n\r\n" + content + b"\r\n"


def file_part(content: bytes = b"%PDF-1.7 hello", filename: str = "a.pdf", *headers: str) -> bytes:
    return part("file", content, *headers, disposition=f'; filename="{filename}"')


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


@dataclass
class ElementProcess:
    """A real storage element on a directory of its own."""

    storage_id: str
    mode: Mode
    url: str
    root: Path
    issuer: TokenIssuer
    available_bytes: int = 10**9

    def files(self) -> list[str]:
        """Every file on its disk that an upload left there."""
        return sorted(path.name for path in self._paths("*") if path.is_file())

    def attributes(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in self._paths("*.attr.json")]

    def data(self) -> list[bytes]:
        return [path.read_bytes() for path in self._paths("*.data")]

    def _paths(self, pattern: str) -> list[Path]:
        """Once everything that was acknowledged is in its place; an element that is away has it there, or never will."""
        headers = self.issuer.bearer([Scope.STORAGE_WRITE], audience=element_audience(self.storage_id))
        with suppress(httpx.HTTPError):
            httpx.post(f"{self.url}/api/v1/maintenance/checkpoint", headers=headers, timeout=60)
        return [path for name in ("files", "staging", "quarantine") for path in (self.root / name).rglob(pattern)]


@contextmanager
def running_element(
    storage_id: str, mode: Mode, root: Path, issuer: TokenIssuer, **settings: Any
) -> Iterator[ElementProcess]:
    DataRoot(root, RealFileSystem(), storage_id, lambda *_: None).initialise(mode, datetime.now(UTC))
    given: dict[str, Any] = {
        "storage_id": storage_id,
        "data_dir": root,
        "tls_cert_file": root / "unused.crt",
        "tls_key_file": root / "unused.key",
        "ticket_key": SecretStr(encode_key(element_key(MASTER_KEY, storage_id))),
        "issuer": issuer.issuer,
        "jwks_url": "https://unused.test/jwks.json",
    }
    app = build(ElementSettings(**given | settings), keys=issuer.keys)
    with running_app(app) as url:
        wait_until_ready(url)
        yield ElementProcess(storage_id, mode, url, root, issuer)


@dataclass(frozen=True)
class RealPart:
    """Routes of the real admin."""

    router: APIRouter
    close: Callable[[], Awaitable[None]]


@dataclass
class AdminStub:
    """Admin as ingester knows it, with everything that can go wrong at hand."""

    issuer: TokenIssuer
    elements: list[ElementProcess] = field(default_factory=list)
    registered: list[dict[str, Any]] = field(default_factory=list)
    asked_for_elements: int = 0
    registry_status: int = 201
    elements_status: int = 200
    token_status: int = 200
    quota_status: int = 200
    quota_files: int | None = None
    reserved: dict[str, dict[str, Any]] = field(default_factory=dict)
    reservations: list[tuple[str, int]] = field(default_factory=list)
    audited: list[dict[str, Any]] = field(default_factory=list)

    real: RealPart | None = None

    def app(self) -> FastAPI:
        app = FastAPI(lifespan=self._lifespan)
        if self.real is not None:
            install_error_handlers(app)
            app.include_router(self.real.router)

        @app.post("/api/v1/auth/token")
        def token(resource: str = Form()) -> JSONResponse:
            token = self.issuer.token((Scope.FILES_WRITE, Scope.STORAGE_READ), audience=resource, subject="sa:ingester")
            return JSONResponse({"access_token": token, "expires_in": 300}, status_code=self.token_status)

        @app.get("/api/v1/storage-elements")
        def storage_elements(mode: Mode | None = None, status: str | None = None) -> JSONResponse:
            self.asked_for_elements += 1
            assert (mode is None) == (status is None)
            items = [
                {
                    "storage_id": one.storage_id,
                    "url": one.url,
                    "available_bytes": one.available_bytes,
                    "mode": one.mode.value,
                }
                for one in self.elements
                if mode in (None, one.mode)
            ]
            return JSONResponse({"items": items, "total": len(items)}, status_code=self.elements_status)

        @app.post("/api/v1/registry/files")
        async def register(request: Request) -> JSONResponse:
            if self.registry_status < 300:
                self.registered.append(await request.json())
                self.reserved.pop(self.registered[-1]["file_id"], None)
            return JSONResponse({}, status_code=self.registry_status)

        @app.post("/api/v1/registry/files/together")
        async def register_together(request: Request) -> JSONResponse:
            files = (await request.json())["files"]
            if self.registry_status < 300:
                self.registered += files
                for file in files:
                    self.reserved.pop(file["file_id"], None)
            return JSONResponse({"outcomes": ["added"] * len(files)}, status_code=self.registry_status)

        @app.get("/api/v1/registry/files/{file_id}/location")
        def registered(file_id: str) -> JSONResponse:
            found = [file for file in self.registered if file["file_id"] == file_id]
            return JSONResponse(found[-1] if found else {}, status_code=200 if found else 404)

        @app.put("/api/v1/quota-reservations/{file_id}")
        async def reserve(file_id: str, request: Request) -> JSONResponse:
            body = await request.json()
            self.reservations.append((file_id, body["bytes"]))
            if self.quota_status != 200:
                return JSONResponse({}, status_code=self.quota_status)
            if self.quota_files is None:
                return JSONResponse({"limited": False, "expires_at": None})
            if len({file["file_id"] for file in self.registered} | self.reserved.keys() | {file_id}) > self.quota_files:
                error = {"code": "QUOTA_EXCEEDED", "message": "The quota is used up", "details": {"which": "files"}}
                return JSONResponse({"error": error}, status_code=403)
            self.reserved[file_id] = body
            return JSONResponse({"limited": True, "expires_at": "2026-11-22T00:00:00Z"})

        @app.delete("/api/v1/quota-reservations/{file_id}")
        def release(file_id: str) -> JSONResponse:
            self.reserved.pop(file_id, None)
            return JSONResponse({})

        @app.post("/api/v1/audit")
        async def audit(request: Request) -> JSONResponse:
            self.audited += (await request.json())["entries"]
            return JSONResponse({})

        @app.get("/health/ready")
        def ready() -> dict[str, str]:
            return {"status": "ok"}

        @app.get("/.well-known/jwks.json")
        def jwks() -> dict[str, Any]:
            return self.issuer.jwks()

        return app

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        yield
        if self.real is not None:
            await self.real.close()


@dataclass
class Ingester:
    """A running ingester-service and a client for it."""

    http: httpx.AsyncClient
    admin: AdminStub
    issuer: TokenIssuer
    stack: ExitStack
    directory: Path
    replica: Callable[[], str]
    """Starts another one beside it; gives its address."""

    def element(self, storage_id: str, mode: Mode = Mode.RW, **settings: Any) -> ElementProcess:
        element = self.stack.enter_context(
            running_element(storage_id, mode, self.directory / storage_id, self.issuer, **settings)
        )
        self.admin.elements.append(element)
        return element

    async def send(self, content: bytes | AsyncIterator[bytes], query: str = "", **headers: str) -> httpx.Response:
        sent = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"} | self.issuer.bearer() | headers
        return await self.http.post(f"/api/v1/files/upload{query}", content=content, headers=sent)


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Waits for what another process or thread is about to do."""
    deadline = time.monotonic() + seconds
    for _ in range(int(seconds / _POLL_SECONDS)):
        if condition():
            return
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(_POLL_SECONDS)
    raise AssertionError("it did not happen in time")
