"""Replicas of admin-service as processes of their own behind the real Envoy, and what kills one of them now and then."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from admin_support import ISSUER, KEY
from artstore_gateway.settings import GatewaySettings
from artstore_gateway.testing import free_ports, running_envoy

READY_SECONDS = 30.0


@dataclass
class Replica:
    """One process. `deaths` counts how often it was killed."""

    port: int
    environment: Mapping[str, str]
    log: Path
    deaths: int = 0
    _process: asyncio.subprocess.Process | None = field(default=None, init=False)

    async def start(self) -> None:
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "admin_service", "serve",
                env={**self.environment, "AM_PORT": str(self.port)}, stdout=output, stderr=output,
            )  # fmt: skip

    async def ready(self) -> None:
        """Waits until it says that it can do its work."""
        async with asyncio.timeout(READY_SECONDS), httpx.AsyncClient(trust_env=False) as client:
            while not await self._says_ready(client):
                assert self._process is not None
                assert self._process.returncode is None, self.log.read_text()[-2000:]
                await asyncio.sleep(0.05)

    async def _says_ready(self, client: httpx.AsyncClient) -> bool:
        try:
            answer = await client.get(f"http://127.0.0.1:{self.port}/health/ready")
        except httpx.TransportError:
            return False
        return answer.status_code == httpx.codes.OK

    async def end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(how)
            await self._process.wait()


@dataclass(frozen=True)
class Replicas:
    gateway: str
    members: list[Replica]

    async def kill_one_every(self, seconds: float, chance: random.Random) -> None:
        """Until cancelled: SIGKILL for one of them, and a new one in its place at once."""
        while True:
            await asyncio.sleep(seconds)
            one = chance.choice(self.members)
            try:
                await one.end(signal.SIGKILL)
            finally:  # cancelled or not: nobody else would start it
                await one.start()
            one.deaths += 1
            await one.ready()


@asynccontextmanager
async def running_replicas(database_url: str, directory: Path, *, number: int = 2) -> AsyncIterator[Replicas]:
    """Processes on one database, behind an Envoy of their own with the plain routes."""
    *ports, http, tls, control = free_ports(number + 3)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AM_")},
        "AM_HOST": "127.0.0.1",
        "AM_ISSUER": ISSUER,
        "AM_DATABASE_URL": database_url,
        "AM_KEY_ENCRYPTION_KEY": base64.b64encode(KEY).decode(),
        "AM_ELEMENT_POLL_SECONDS": "3600",
        "AM_KEY_PUBLISH_SECONDS": "4",
    }
    members = [Replica(port, environment, directory / f"admin-{port}.log") for port in ports]
    settings = GatewaySettings(
        port=http, tls_port=tls, control_port=control, issuer=ISSUER, jwks_cache_seconds=1,
        admin_url=",".join(f"http://127.0.0.1:{port}" for port in ports),
    )  # fmt: skip
    try:
        await asyncio.gather(*(one.start() for one in members))
        await asyncio.gather(*(one.ready() for one in members))
        async with running_envoy(settings, directory):
            yield Replicas(f"http://127.0.0.1:{http}", members)
    finally:
        await asyncio.gather(*(one.end(signal.SIGTERM) for one in members))
