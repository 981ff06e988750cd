"""The registry from the elements alone: how fast is `rebuild-registry`, what does it need, what does a later sync cost?

An element with synthetic files (bench.million_made) is served by the real storage element over TLS; admin's command fills
an empty PostgreSQL from it, with and without query's search indexes. Then 100 files change, and the registry follows.
`python -m bench.rebuild [--files N] [--dir DIR] [--json FILE]`; what was made in DIR is used again.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import http.client
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import asyncpg
import psutil
from admin_service.audit.log import SYSTEM
from admin_service.bootstrap import Bootstrap, bootstrap
from admin_service.config import Settings
from admin_service.db.engine import Database as Store
from admin_service.db.migrate import MIGRATIONS as ADMIN
from admin_service.identity.clock import system_clock
from admin_service.identity.keys import KeyVault
from admin_service.identity.secrets import Argon2Hasher
from admin_service.main import syncs_alone
from admin_service.registry.sync import Wanted
from admin_service.registry.syncs import Sync, SyncReason
from artstore_postgres.engine import make_engine
from artstore_testing.postgres import Database, PostgresServer, running_postgres
from artstore_testing.tokens import ISSUER
from pydantic import SecretStr
from query_service.db.migrate import MIGRATIONS as QUERY

from bench.million_files import Figures
from bench.million_made import make_files
from bench.storage_machine import describe
from bench.storage_servers import STORAGE_ID, Elements, Server, make_certificate, running, serve_json

MIB = 1024**2
CHANGES = 100
KEY = bytes(range(32))
START_SECONDS = 3600.0
"""The first start builds the element's index."""
SAMPLE_SECONDS = 0.25
_WALKED = (
    "SELECT extract(epoch FROM ended_at - started_at)::float8 AS seconds FROM syncs ORDER BY started_at DESC LIMIT 1"
)


@dataclass(frozen=True)
class Stage:
    server: Server
    ca: Path
    postgres: PostgresServer
    postmaster: psutil.Process
    figures: Figures
    files: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--dir", type=Path, help="keep the files here, and use those that are here")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with contextlib.ExitStack() as held:
        work = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="artstore-bench-")))
        home = given.dir or work
        home.mkdir(parents=True, exist_ok=True)
        figures = Figures()
        for name, value in describe(home).items():
            figures.tell(name, value)
        certificate = make_certificate(work)
        elements = Elements(certificate)
        held.callback(elements.close)
        root = home / f"root-{given.files}"
        server = elements.make(root, work / "element.log")
        started = time.perf_counter()
        if make_files(root, given.files):
            figures.tell("files made, without the element", f"{given.files} in {time.perf_counter() - started:.0f} s")
        # Not below the working directory: the user that PostgreSQL runs as under root may not enter that.
        data = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="artstore-pg-"))) / "data"
        postgres = held.enter_context(running_postgres(data))
        postmaster = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))
        stage = Stage(server, certificate.certificate, postgres, postmaster, figures, given.files)
        for indexes in (False, True):
            with postgres.database() as database:
                _measure(stage, database, indexes=indexes)
        if given.json:
            given.json.write_text(json.dumps(figures.told, indent=1))


def _measure(stage: Stage, database: Database, *, indexes: bool) -> None:
    what = "with search indexes" if indexes else "without search indexes"
    ADMIN.upgrade(database.url())
    if indexes:
        QUERY.upgrade(database.url())
    stage.postgres.allow_login("artstore_admin", "artstore_query", "artstore_render")
    key = asyncio.run(_bootstrap(database, stage.server))
    with _known_keys(stage.server, key) as server, running(server, START_SECONDS) as element:
        _rebuild(stage, database, element, what)
        if indexes:
            _say_again(stage, database, element)
        asyncio.run(_change_and_follow(stage, database, what))


async def _bootstrap(database: Database, server: Server) -> Mapping[str, Any]:
    """An empty registry with the element in it; gives admin's public signing key."""
    given = {"storage_elements": [{"storage_id": STORAGE_ID, "url": server.url}]}
    store = Store(make_engine(database.url("artstore_admin"), application="bench", pool_size=1))
    async with store.transaction() as rows:
        wanted = Bootstrap.model_validate(given)
        await bootstrap(rows, wanted, vault=KeyVault(KEY), hasher=Argon2Hasher(), clock=system_clock)
    await store.close()
    found = await _ask(database, "SELECT public_jwk FROM jwt_keys")
    key: Mapping[str, Any] = json.loads(found[0]["public_jwk"])
    return key


@contextlib.contextmanager
def _known_keys(server: Server, key: Mapping[str, Any]) -> Any:
    """The element as it is, and beside the benchmark's own key it trusts admin's."""
    with urlopen(server.environment["SE_JWKS_URL"]) as answer:
        keys = json.load(answer)["keys"]
    jwks = serve_json({"keys": [*keys, key]})
    url = f"http://127.0.0.1:{jwks.server_address[1]}/jwks.json"
    try:
        yield replace(server, environment={**server.environment, "SE_JWKS_URL": url})
    finally:
        jwks.shutdown()


def _environment(stage: Stage, database: Database) -> dict[str, str]:
    return {
        "AM_DATABASE_URL": database.url("artstore_admin"),
        "AM_ISSUER": ISSUER,
        "AM_KEY_ENCRYPTION_KEY": base64.b64encode(KEY).decode(),
        "AM_CA_FILE": str(stage.ca),
        "AM_ELEMENT_NETWORKS": "127.0.0.0/8",
        "AM_LOG_LEVEL": "warning",
    }


def _rebuild(stage: Stage, database: Database, element: int, what: str) -> None:
    seconds, used, peaks = _run_command(stage, database, element)
    figures = stage.figures
    figures.tell(f"rebuild, {what}", f"{seconds:.1f} s, {stage.files / seconds:.0f} files a second")
    walked = asyncio.run(_ask(database, _WALKED))[0]["seconds"]
    figures.tell("  the walk alone, no start of Python", f"{walked:.1f} s, {stage.files / walked:.0f} files a second")
    each = {name: cpu / stage.files * 1e6 for name, cpu in used.items()}
    figures.tell("  CPU a file", ", ".join(f"{name} {cpu:.0f} µs" for name, cpu in each.items()))
    quarter = peaks[len(peaks) // 4] if peaks else 0
    figures.tell("  admin's memory at a quarter, most", f"{quarter / MIB:.0f} MiB, {max(peaks) / MIB:.0f} MiB")


def _say_again(stage: Stage, database: Database, element: int) -> None:
    seconds, used, _ = _run_command(stage, database, element)
    words = f"{seconds:.1f} s, {stage.files / seconds:.0f} files a second, PostgreSQL {used['PostgreSQL']:.1f} s of CPU"
    stage.figures.tell("rebuild once more, nothing to write", words)


def _run_command(stage: Stage, database: Database, element: int) -> tuple[float, dict[str, float], list[int]]:
    """Seconds, CPU seconds by process, and samples of the command's memory."""
    serving = psutil.Process(element)
    before = _cpu(serving), _cpu(stage.postmaster, children=True)
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "admin_service", "rebuild-registry"],
        env={**os.environ, **_environment(stage, database)},
        stdout=subprocess.DEVNULL,
    )
    samples, watched = [], psutil.Process(process.pid)
    while not (ended := os.waitpid(process.pid, os.WNOHANG))[0]:
        with contextlib.suppress(psutil.NoSuchProcess):
            samples.append(watched.memory_info().rss)
            admin = _cpu(watched)
        time.sleep(SAMPLE_SECONDS)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(ended[1])
    if process.returncode:
        raise SystemExit(f"rebuild-registry failed: {process.returncode}")
    used = {"admin": admin, "element": _cpu(serving) - before[0]}
    return seconds, used | {"PostgreSQL": _cpu(stage.postmaster, children=True) - before[1]}, samples


def _cpu(process: psutil.Process, *, children: bool = False) -> float:
    times = process.cpu_times()
    total = times.user + times.system + (times.children_user + times.children_system if children else 0)
    return float(total)


async def _change_and_follow(stage: Stage, database: Database, what: str) -> None:
    await asyncio.to_thread(_change, stage.server)
    before = await _rows_read(database)
    sync, seconds = await _follow(stage, database)
    read = await _rows_read(database) - before
    words = f"{seconds * 1e3:.0f} ms, {sync.requests} requests, {read} rows read, {sync.files_updated} updated"
    stage.figures.tell(f"{CHANGES} changes followed, {what}", words)


async def _follow(stage: Stage, database: Database) -> tuple[Sync, float]:
    settings = Settings(
        database_url=SecretStr(database.url("artstore_admin")),
        issuer=ISSUER,
        key_encryption_key=SecretStr(base64.b64encode(KEY).decode()),
        ca_file=stage.ca,
        element_networks=("127.0.0.0/8",),
    )
    async with syncs_alone(settings) as (syncs, _):
        started = time.perf_counter()
        begun = await syncs.begin(STORAGE_ID, Wanted(SyncReason.SCHEDULE, SYSTEM))
        assert begun.task is not None
        sync = await begun.task
        return sync, time.perf_counter() - started


def _change(server: Server) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=60)
    listed = _call(connection, server, "GET", f"/api/v1/files?limit={CHANGES}")
    for item in listed["items"]:
        _call(connection, server, "PATCH", f"/api/v1/files/{item['file_id']}", {"description": "changed"})
    connection.close()


def _call(
    connection: http.client.HTTPSConnection, server: Server, method: str, path: str, body: Any = None
) -> dict[str, Any]:
    headers = {"Authorization": server.headers["Authorization"], "Content-Type": "application/json"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    response = connection.getresponse()
    content = response.read()
    if response.status != http.client.OK:
        raise SystemExit(f"{method} {path}: {response.status} {content[:500]!r}")
    answer: dict[str, Any] = json.loads(content)
    return answer


async def _rows_read(database: Database) -> int:
    counted = "coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)"
    found = await _ask(database, f"SELECT {counted} AS read FROM pg_stat_user_tables WHERE relname = 'files'")
    return int(found[0]["read"])


async def _ask(database: Database, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(database.url("postgres"))
    try:
        return list(await connection.fetch(query))
    finally:
        await connection.close()


if __name__ == "__main__":
    main()
