"""An element in this process, on a real directory; and one in a process of its own, over TLS."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from artstore_core.errors import ArtStoreError
from artstore_core.modes import Mode
from artstore_core.scopes import Scope, element_audience
from artstore_testing.servers import free_port
from artstore_testing.tokens import TokenIssuer
from artstore_tickets import Tickets, encode_key
from asgi_lifespan import LifespanManager
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fastapi import FastAPI
from pydantic import SecretStr
from storage_element.config import Settings
from storage_element.disk.filesystem import FileSystem, RealFileSystem
from storage_element.disk.root import DataRoot
from storage_element.main import build

STORAGE_ID = "se-test-1"
TICKET_KEY = bytes(range(32))
ALL_SCOPES = tuple(Scope)
METADATA: dict[str, Any] = {
    "original_filename": "отчёт.pdf",
    "content_type": "application/pdf",
    "uploaded_by": "sa:sa_scanner_x7k2",
    "description": "годовой",
    "tags": ["invoice"],
    "metadata": {"project": "north"},
}


class Clock:
    """A clock that stands still until it is told to go on, and the monotonic one that goes with it."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC).replace(microsecond=0)
        self._running = timedelta(seconds=1000)

    def __call__(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self._running.total_seconds()

    def advance(self, by: timedelta) -> None:
        self.time += by
        self._running += by

    def jump(self, by: timedelta) -> None:
        """Somebody sets it, with no time passing."""
        self.time += by


def metadata_header(**changes: Any) -> dict[str, str]:
    text = json.dumps({name: value for name, value in (METADATA | changes).items() if value is not None})
    return {"Artstore-Metadata": base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()}


def initialise(root: Path, mode: Mode = Mode.EDIT, storage_id: str = STORAGE_ID) -> None:
    DataRoot(root, RealFileSystem(), storage_id, lambda *_: None).initialise(mode, datetime.now(UTC))


def files_in(root: Path) -> list[str]:
    """Names of files that hold what clients sent, and of their records; whole or not."""
    return sorted(
        path.name
        for directory in ("files", "staging", "quarantine")
        for path in (root / directory).rglob("*")
        if path.is_file()
    )


@dataclass
class Api:
    """An element to talk to. `client` carries a token with every scope."""

    client: httpx.AsyncClient
    app: FastAPI
    root: Path
    clock: Clock
    issuer: TokenIssuer

    @property
    def tickets(self) -> Tickets:
        return Tickets(STORAGE_ID, TICKET_KEY, self.clock)

    async def put(
        self, file_id: UUID, data: Any, headers: dict[str, str] | None = None, **changes: Any
    ) -> httpx.Response:
        return await self.client.put(
            f"/api/v1/files/{file_id}", content=data, headers=metadata_header(**changes) | (headers or {})
        )

    async def begin(self, upload_id: UUID, size: int | None = None) -> httpx.Response:
        return await self.client.post(f"/api/v1/uploads/{upload_id}", json={"size": size})

    async def append(self, upload_id: UUID, offset: int, data: Any) -> httpx.Response:
        return await self.client.patch(
            f"/api/v1/uploads/{upload_id}", content=data, headers={"Upload-Offset": str(offset)}
        )

    async def complete(self, upload_id: UUID, metadata: dict[str, Any] | None = None, **checks: Any) -> httpx.Response:
        body = {"metadata": METADATA | (metadata or {})} | checks
        return await self.client.post(f"/api/v1/uploads/{upload_id}/complete", json=body)

    async def download(self, file_id: UUID, headers: dict[str, str] | None = None) -> httpx.Response:
        return await self.client.get(f"/api/v1/files/{file_id}/download", headers=headers)

    async def checkpoint(self) -> int:
        answer = await self.client.post("/api/v1/maintenance/checkpoint")
        assert answer.status_code == 200, answer.text
        return int(answer.json()["sequence"])

    def files(self) -> list[str]:
        """Every file under the root but the element's own, once all that was acknowledged is in its place."""
        checkpoints = self.app.state.element._checkpoints
        if checkpoints is not None:
            with suppress(ArtStoreError):
                checkpoints.now()
        return files_in(self.root)


@dataclass
class Maker:
    """Makes elements in this process, each on the directory, settings and filesystem that a test wants."""

    root: Path
    clock: Clock
    issuer: TokenIssuer
    running: list[LifespanManager] = field(default_factory=list)

    def settings(self, **changes: Any) -> Settings:
        given: dict[str, Any] = {
            "storage_id": STORAGE_ID,
            "data_dir": self.root,
            "tls_cert_file": self.root / "unused.crt",
            "tls_key_file": self.root / "unused.key",
            "ticket_key": SecretStr(encode_key(TICKET_KEY)),
            "issuer": self.issuer.issuer,
            "jwks_url": "https://unused.test/jwks.json",
            "marker_check_seconds": 0.02,
            "ballast_bytes": 0,
        }
        return Settings(**(given | changes))

    async def start(self, *, filesystem: FileSystem | None = None, opened: bool = True, **changes: Any) -> Api:
        app = build(
            self.settings(**changes),
            keys=self.issuer.keys,
            filesystem=filesystem,
            now=self.clock,
            monotonic=self.clock.monotonic,
        )
        manager = LifespanManager(app)
        await manager.__aenter__()
        self.running.append(manager)
        if opened:
            await app.state.element.opened.wait()
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app, raise_app_exceptions=False),
            base_url="https://element.test",
            headers=self.issuer.bearer(ALL_SCOPES, audience=element_audience(STORAGE_ID)),
        )
        return Api(client, app, self.root, self.clock, self.issuer)

    async def stop(self) -> None:
        while self.running:
            await self.running.pop().__aexit__(None, None, None)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An initialised data root, mode edit."""
    initialise(tmp_path / "root")
    return tmp_path / "root"


@pytest.fixture
async def make(root: Path, issuer: TokenIssuer) -> AsyncIterator[Maker]:
    maker = Maker(root, Clock(), issuer)
    yield maker
    await maker.stop()


@pytest.fixture
async def api(make: Maker) -> Api:
    return await make.start()


@dataclass
class Tls:
    certificate: Path
    key: Path

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """A certificate for 127.0.0.1 that signs itself."""
    directory = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "element under test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Tls(directory / "tls.crt", directory / "tls.key")
    made.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


@pytest.fixture(scope="session")
def jwks_url(issuer: TokenIssuer) -> Iterator[str]:
    """The issuer's public keys, over HTTP."""
    content = json.dumps(issuer.jwks()).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/jwks.json"
        server.shutdown()
        thread.join()


class Process:
    """`python -m storage_element serve`, to be killed and started again."""

    def __init__(self, root: Path, tls: Tls, jwks_url: str, issuer: TokenIssuer) -> None:
        self.root, self.issuer = root, issuer
        self._tls = tls
        self.port = free_port()
        self.environment = {
            "PATH": os.environ["PATH"],
            "SE_PORT": str(self.port),
            "SE_STORAGE_ID": STORAGE_ID,
            "SE_DATA_DIR": str(root),
            "SE_TLS_CERT_FILE": str(tls.certificate),
            "SE_TLS_KEY_FILE": str(tls.key),
            "SE_TICKET_KEY": encode_key(TICKET_KEY),
            "SE_ISSUER": issuer.issuer,
            "SE_JWKS_URL": jwks_url,
            "SE_SHUTDOWN_GRACE_SECONDS": "5",
            "SE_BALLAST_BYTES": "0",
        }
        self.url = f"https://127.0.0.1:{self.port}"
        self.metadata = metadata_header()
        self.running: subprocess.Popen[bytes] | None = None
        self.log = root.parent / "element.log"

    def client(self, **options: Any) -> httpx.Client:
        given: dict[str, Any] = {
            "base_url": self.url,
            "verify": self._tls.context,
            "timeout": 30,
            "headers": self.issuer.bearer(ALL_SCOPES, audience=element_audience(STORAGE_ID)),
        }
        return httpx.Client(**(given | options))

    def start(self, *, ready: bool = True) -> None:
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(
                [sys.executable, "-m", "storage_element", "serve"], env=self.environment, stdout=log, stderr=log
            )
        if ready:
            self.wait_for(200)

    def wait_for(self, status: int, seconds: float = 15) -> None:
        """Until readiness answers so."""
        deadline = time.monotonic() + seconds
        with self.client(timeout=2) as client:
            while time.monotonic() < deadline:
                try:
                    if client.get("/health/ready").status_code == status:
                        return
                except httpx.TransportError:
                    if self.running is None or self.running.poll() is not None:
                        break
                time.sleep(0.05)
        pytest.fail(f"readiness did not become {status}\n{self.log.read_text()[-4000:]}")

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is flushed by us."""
        self.end(signal.SIGKILL)

    def end(self, number: signal.Signals) -> int:
        assert self.running is not None
        self.running.send_signal(number)
        code = self.running.wait(20)
        self.running = None
        return code


@pytest.fixture
def process(root: Path, tls: Tls, jwks_url: str, issuer: TokenIssuer) -> Iterator[Process]:
    made = Process(root, tls, jwks_url, issuer)
    yield made
    if made.running is not None:
        made.kill()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
