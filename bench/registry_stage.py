"""What benchmarks of the registry stand on: PostgreSQL as it is shipped, admin-service by its own commands, and meters."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import psutil
from artstore_testing.postgres import Database, PostgresServer, running_postgres
from artstore_testing.servers import free_port
from artstore_testing.tokens import ISSUER

from bench.storage_servers import Server

KEY = bytes(range(32))
"""Of admin's signing keys at rest."""
NETWORKS = "127.0.0.0/8"
_SAMPLE_SECONDS = 0.25
_DURABLE = ("ALTER SYSTEM RESET fsync", "ALTER SYSTEM RESET synchronous_commit", "SELECT pg_reload_conf()")


@dataclass(frozen=True)
class RegistryServer:
    postgres: PostgresServer
    postmaster: psutil.Process


@contextlib.contextmanager
def registry_server() -> Iterator[RegistryServer]:
    """PostgreSQL with its own settings: what tests leave out for speed (fsync) is done here."""
    # Not below the working directory: the user that PostgreSQL runs as under root may not enter that.
    with tempfile.TemporaryDirectory(prefix="artstore-pg-") as home:
        data = Path(home) / "data"
        with running_postgres(data) as postgres:
            with postgres.database() as any_one:
                for statement in _DURABLE:
                    ask(any_one, statement)
            yield RegistryServer(postgres, psutil.Process(int((data / "postmaster.pid").read_text().split()[0])))


@dataclass(frozen=True)
class Admin:
    """Admin-service on one database, by its own commands. `ca` is what the elements' certificates are checked by."""

    database: Database
    ca: Path
    given: Mapping[str, Any]
    """The bootstrap file's content."""
    work: Path
    port: int = field(default_factory=free_port)

    @property
    def server(self) -> Server:
        """The running service."""
        command = [sys.executable, "-m", "admin_service", "serve"]
        log, environment = self.work / "admin.log", self.environment
        return Server(
            "admin", command, self.port, "", "", log, environment=environment, tls=False, ready="/health/ready"
        )

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AM_DATABASE_URL": self.database.url("artstore_admin"),
            "AM_MIGRATION_DATABASE_URL": self.database.url(),
            "AM_BOOTSTRAP_FILE": str(self.work / "bootstrap.json"),
            "AM_ISSUER": ISSUER,
            "AM_KEY_ENCRYPTION_KEY": base64.b64encode(KEY).decode(),
            "AM_CA_FILE": str(self.ca),
            "AM_ELEMENT_NETWORKS": NETWORKS,
            "AM_PORT": str(self.port),
            "AM_LOG_LEVEL": "warning",
        }

    def first_start(self, server: PostgresServer, *, search: bool) -> None:
        """On an empty database: the migrations, query's too where it is to be searched from the start; the bootstrap."""
        self._run("migrate")
        if search:
            self.make_searchable()
        server.allow_login("artstore_admin", "artstore_query", "artstore_render")
        Path(self.environment["AM_BOOTSTRAP_FILE"]).write_text(json.dumps(self.given))
        self._run("bootstrap")

    def make_searchable(self) -> None:
        """Query's migrations: the functions and indexes of search."""
        environment = {
            **os.environ,
            "QM_MIGRATION_DATABASE_URL": self.database.url(),
            "QM_LOG_LEVEL": "warning",
        }
        subprocess.run([sys.executable, "-m", "query_service", "migrate"], env=environment, check=True)

    def _run(self, command: str) -> None:
        environment = {**os.environ, **self.environment}
        subprocess.run([sys.executable, "-m", "admin_service", command], env=environment, check=True)


@dataclass(frozen=True)
class Rebuilt:
    """CPU seconds by process; samples of the command's memory in bytes."""

    seconds: float
    cpu: Mapping[str, float]
    memory: Sequence[int]


def rebuild(admin: Admin, serving: Sequence[psutil.Process], postmaster: psutil.Process) -> Rebuilt:
    """`rebuild-registry`. Ends the program when the command fails; `serving`: the elements' processes."""
    before, started = sum(map(cpu, serving)), time.perf_counter()
    of_postgres = cpu(postmaster, children=True)
    command, log = [sys.executable, "-m", "admin_service", "rebuild-registry"], admin.work / "rebuild.log"
    with log.open("wb") as told:
        process = subprocess.Popen(command, env={**os.environ, **admin.environment}, stdout=told)
    samples, used, watched = [], 0.0, psutil.Process(process.pid)
    while process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            samples.append(watched.memory_info().rss)
            used = cpu(watched)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_SAMPLE_SECONDS)
    seconds = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"rebuild-registry failed: {process.returncode}\n{log.read_text()}")
    by = {"admin": used, "element": sum(map(cpu, serving)) - before}
    return Rebuilt(seconds, by | {"PostgreSQL": cpu(postmaster, children=True) - of_postgres}, samples)


def cpu(process: psutil.Process, *, children: bool = False) -> float:
    """Seconds so far; with those of its children that have ended."""
    times = process.cpu_times()
    total = times.user + times.system + (times.children_user + times.children_system if children else 0)
    return float(total)


def ask(database: Database, query: str) -> list[asyncpg.Record]:
    """As PostgreSQL's superuser."""
    return asyncio.run(_ask(database, query))


async def _ask(database: Database, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(database.url("postgres"))
    try:
        return list(await connection.fetch(query))
    finally:
        await connection.close()
