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
import ssl
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
from admin_service.audit.log import SYSTEM
from admin_service.config import Settings
from admin_service.main import syncs_alone
from admin_service.registry.sync import Wanted
from admin_service.registry.syncs import Sync, SyncReason
from artstore_testing.postgres import Database
from artstore_testing.tokens import ISSUER
from pydantic import SecretStr

from bench.million_files import Figures
from bench.million_made import make_files
from bench.registry_stage import KEY, NETWORKS, Admin, Rebuilt, RegistryServer, ask, rebuild, registry_server
from bench.storage_machine import describe
from bench.storage_servers import STORAGE_ID, Elements, Server, make_certificate, running, serve_json

MIB = 1024**2
CHANGES = 100
START_SECONDS = 3600.0
"""The first start builds the element's index."""
_WALKED = (
    "SELECT extract(epoch FROM ended_at - started_at)::float8 AS seconds FROM syncs ORDER BY started_at DESC LIMIT 1"
)


@dataclass(frozen=True)
class Stage:
    server: Server
    ca: Path
    work: Path
    registry: RegistryServer
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
        registry = held.enter_context(registry_server())
        stage = Stage(server, certificate.certificate, work, registry, figures, given.files)
        for indexes in (False, True):
            with registry.postgres.database() as database:
                _measure(stage, database, indexes=indexes)
        if given.json:
            given.json.write_text(json.dumps(figures.told, indent=1))


def _measure(stage: Stage, database: Database, *, indexes: bool) -> None:
    what = "with search indexes" if indexes else "without search indexes"
    given = {"storage_elements": [{"storage_id": STORAGE_ID, "url": stage.server.url}]}
    admin = Admin(database, stage.ca, given, stage.work)
    admin.first_start(stage.registry.postgres, search=indexes)
    key = json.loads(ask(database, "SELECT public_jwk FROM jwt_keys")[0]["public_jwk"])
    with _known_keys(stage.server, key) as server, running(server, START_SECONDS) as pid:
        element = psutil.Process(pid)
        _rebuild(stage, admin, element, what)
        if indexes:
            _say_again(stage, admin, element)
        asyncio.run(_change_and_follow(stage, database, what))


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


def _rebuild(stage: Stage, admin: Admin, element: psutil.Process, what: str) -> None:
    done = rebuild(admin, [element], stage.registry.postmaster)
    figures = stage.figures
    figures.tell(f"rebuild, {what}", f"{done.seconds:.1f} s, {_rate(stage, done.seconds)}")
    walked = ask(admin.database, _WALKED)[0]["seconds"]
    figures.tell("  the walk alone, no start of Python", f"{walked:.1f} s, {_rate(stage, walked)}")
    each = {name: cpu / stage.files * 1e6 for name, cpu in done.cpu.items()}
    figures.tell("  CPU a file", ", ".join(f"{name} {cpu:.0f} µs" for name, cpu in each.items()))
    figures.tell("  admin's memory at a quarter, most", _memory(done))


def _say_again(stage: Stage, admin: Admin, element: psutil.Process) -> None:
    done = rebuild(admin, [element], stage.registry.postmaster)
    words = f"{done.seconds:.1f} s, {_rate(stage, done.seconds)}, PostgreSQL {done.cpu['PostgreSQL']:.1f} s of CPU"
    stage.figures.tell("rebuild once more, nothing to write", words)


def _rate(stage: Stage, seconds: float) -> str:
    return f"{stage.files / seconds:.0f} files a second"


def _memory(done: Rebuilt) -> str:
    quarter = done.memory[len(done.memory) // 4] if done.memory else 0
    return f"{quarter / MIB:.0f} MiB, {max(done.memory, default=0) / MIB:.0f} MiB"


async def _change_and_follow(stage: Stage, database: Database, what: str) -> None:
    await asyncio.to_thread(_change, stage.server)
    before = await asyncio.to_thread(_rows_read, database)
    sync, seconds = await _follow(stage, database)
    read = await asyncio.to_thread(_rows_read, database) - before
    words = f"{seconds * 1e3:.0f} ms, {sync.requests} requests, {read} rows read, {sync.files_updated} updated"
    stage.figures.tell(f"{CHANGES} changes followed, {what}", words)


async def _follow(stage: Stage, database: Database) -> tuple[Sync, float]:
    settings = Settings(
        database_url=SecretStr(database.url("artstore_admin")),
        issuer=ISSUER,
        key_encryption_key=SecretStr(base64.b64encode(KEY).decode()),
        ca_file=stage.ca,
        element_networks=(NETWORKS,),
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


def _rows_read(database: Database) -> int:
    counted = "coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)"
    found = ask(database, f"SELECT {counted} AS read FROM pg_stat_user_tables WHERE relname = 'files'")
    return int(found[0]["read"])


if __name__ == "__main__":
    main()
