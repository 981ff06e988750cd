"""Burn the database: does the registry come back from the elements by itself, row by row, and how soon?

Two real elements over TLS, with files as different as attr.json allows (bench.million_made). Admin fills an empty
PostgreSQL from them; some files are uploaded, changed and deleted, the registry follows and is exported. Then, three
times: DROP DATABASE, an empty one, the same migrations and the same bootstrap file, and the registry is compared with the
export. `python -m bench.burn [--files N] [--json FILE]`; the exit code is 1 where anything differs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import psutil
from artstore_testing.postgres import Database
from artstore_testing.servers import free_port

from bench.burn_changes import ACCOUNTS, change, checkpoint, follow, token
from bench.million_files import Figures
from bench.million_made import make_files, passing, varied
from bench.registry_export import Export, beside_disks, differences, export, values
from bench.registry_stage import Admin, RegistryServer, ask, cpu, rebuild, registry_server
from bench.storage_machine import describe
from bench.storage_servers import Elements, Server, make_certificate, running

NAME = "artstore"
START_SECONDS = 3600.0
"""An element's first start builds its index."""
FILL_SECONDS, LOOK_SECONDS = 3600.0, 0.1
SHOWN = 5
_ENDED = "SELECT count(DISTINCT storage_id) AS ended FROM syncs WHERE kind = 'full' AND status = 'succeeded'"
_WALKED = """
SELECT extract(epoch FROM max(ended_at) - min(started_at))::float8 AS seconds, sum(files_read)::bigint AS files,
    count(*) FILTER (WHERE status <> 'succeeded') AS failed
FROM syncs
"""
_KNOWN = {
    "accounts": "SELECT client_id, name, kind, scopes, status FROM service_accounts ORDER BY 1",
    "users": "SELECT username, role, status FROM admin_users ORDER BY 1",
    "elements": "SELECT storage_id, url, mode, epoch, synced_epoch, synced_sequence FROM storage_elements ORDER BY 1",
    "usage": "SELECT principal, files, bytes FROM account_usage WHERE (files, bytes) <> (0, 0) ORDER BY 1",
}
"""Beside the files: what configuration gives back, how far the elements were read, and what triggers reckon."""
_INDEXES = """
SELECT indexrelid::regclass::text AS name FROM pg_index
WHERE indrelid = 'files'::regclass AND indisvalid AND indexrelid::regclass::text LIKE 'files_search%' ORDER BY 1
"""


@dataclass(frozen=True)
class Way:
    """`command`: by `rebuild-registry` beside the service; else by the service alone."""

    name: str
    words: str
    indexes_first: bool = False
    indexes_last: bool = False
    command: bool = False


WAYS = (
    Way("a", "the registry alone, no search"),
    Way("b", "the search indexes are there from the start", indexes_first=True),
    Way("c", "the registry, then the search indexes", indexes_last=True, command=True),
)


@dataclass(frozen=True)
class Stage:
    work: Path
    ca: Path
    elements: dict[str, Server]
    registry: RegistryServer
    figures: Figures
    port: int

    def admin(self, database: Database) -> Admin:
        """The same configuration every time."""
        listed = [{"storage_id": name, "url": server.url} for name, server in self.elements.items()]
        return Admin(database, self.ca, ACCOUNTS | {"storage_elements": listed}, self.work, self.port)

    def root(self, storage_id: str) -> Path:
        return self.work / storage_id

    def tell_of(self, way: Way) -> Callable[[str, str], None]:
        return lambda name, value: self.figures.tell(f"{way.name}: {name}", value)


@dataclass(frozen=True)
class Before:
    """What stood in the database that burnt."""

    files: Export
    known: dict[str, list[tuple[object, ...]]]


@dataclass(frozen=True)
class Times:
    """Seconds by one clock, and `postgres`: PostgreSQL's seconds of CPU."""

    began: float
    started: float
    filled: float
    ended: float
    postgres: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000, help="on both elements together (default: %(default)s)")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with contextlib.ExitStack() as held:
        stage, serving = held.enter_context(_staged(given.files))
        before, wrong = _first_life(stage)
        searchable = list[list[str]]()
        for way in WAYS:
            # The one before was dropped: DROP DATABASE … WITH (FORCE).
            with stage.registry.postgres.database(name=NAME) as database:
                _come_back(stage, way, database, serving, before.files.rows)
                wrong += _compare(stage, way, database, before)
                searchable.append([row["name"] for row in ask(database, _INDEXES)])
        if not searchable[0] == [] != searchable[1] == searchable[2]:
            wrong.append(f"search indexes: {searchable}")
        stage.figures.tell("differences in all", str(len(wrong)))
        if given.json:
            given.json.write_text(json.dumps(stage.figures.told, indent=1))
    if wrong:
        raise SystemExit(1)


@contextlib.contextmanager
def _staged(files: int) -> Iterator[tuple[Stage, list[psutil.Process]]]:
    """Two elements that run, and a PostgreSQL without a database."""
    with contextlib.ExitStack() as held:
        work, port = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="artstore-bench-"))), free_port()
        figures, certificate = Figures(), make_certificate(work)
        for name, value in describe(work).items():
            figures.tell(name, value)
        elements = Elements(certificate)
        held.callback(elements.close)
        made = {}
        for mode, make in (("rw", varied), ("edit", passing)):
            name = f"se-{mode}-1"
            server = elements.make(work / name, work / f"{name}.log", name, mode)
            # Admin's own keys, wherever its database is; and nothing is collected while it is compared.
            other = {"SE_JWKS_URL": f"http://127.0.0.1:{port}/.well-known/jwks.json", "SE_GC_SECONDS": "86400"}
            made[name] = replace(server, environment={**server.environment, **other})
            started = time.perf_counter()
            make_files(work / name, files // 2, make)
            figures.tell(f"{name}: files made", f"{files // 2} in {time.perf_counter() - started:.0f} s")
        registry = held.enter_context(registry_server())
        serving = [psutil.Process(held.enter_context(running(server, START_SECONDS))) for server in made.values()]
        yield Stage(work, certificate.certificate, made, registry, figures, port), serving


def _first_life(stage: Stage) -> tuple[Before, list[str]]:
    """Fills the registry, lets it follow changes, and exports it. Also what differs from the records on the disks."""
    with stage.registry.postgres.database(name=NAME) as database:
        admin = stage.admin(database)
        admin.first_start(stage.registry.postgres, search=False)
        with running(admin.server):
            _wait_until_filled(stage, database)
            most = ask(database, "SELECT count(*) FROM files")[0][0] // 20
            for name, server in stage.elements.items():
                stage.figures.tell(f"{name}: then", change(admin, name, server, most=most))
                stage.figures.tell(f"{name}: the sync that follows", follow(admin, name))
                checkpoint(admin, name, server)
        before = Before(export(database, stage.work / "before.copy"), _known(database))
        stage.figures.tell("registry before, rows and SHA-256", f"{before.files.rows} {before.files.sha256}")
        variety = values(database)
        stage.figures.tell("different values", ", ".join(f"{name} {count}" for name, count in variety.items()))
        there, wrong = beside_disks(database, {name: stage.root(name) for name in stage.elements})
        stage.figures.tell("compared with attr.json on both disks", f"{there} records, {len(wrong)} differences")
        wrong += [f"all files have the same {name}" for name, count in variety.items() if count == 1]
        _show(wrong)
        return before, wrong


def _come_back(stage: Stage, way: Way, database: Database, serving: list[psutil.Process], rows: int) -> None:
    """From an empty database to all of the registry, and the search indexes where the way has them."""
    admin, postmaster = stage.admin(database), stage.registry.postmaster
    stage.figures.tell(way.name, way.words)
    used, began = cpu(postmaster, children=True), time.perf_counter()
    admin.first_start(stage.registry.postgres, search=way.indexes_first)
    started = time.perf_counter()
    with running(admin.server):
        if way.command:
            rebuild(admin, serving, postmaster)
        else:
            _wait_until_filled(stage, database)
        filled = time.perf_counter()
        if way.indexes_last:
            admin.make_searchable()
        ended = time.perf_counter()
        for name in stage.elements:
            token(admin, name)
    used = cpu(postmaster, children=True) - used
    _tell(stage, way, database, Times(began, started, filled, ended, used), rows)


def _tell(stage: Stage, way: Way, database: Database, times: Times, rows: int) -> None:
    walked, tell = ask(database, _WALKED)[0], stage.tell_of(way)
    fill, whole = times.filled - times.started, times.ended - times.began
    tell("migrations and bootstrap", f"{times.started - times.began:.1f} s")
    tell("start of admin to the last row", f"{fill:.1f} s, {rows / fill:.0f} files a second")
    again = f"; {walked['failed']} that failed first" if walked["failed"] else ""
    rate = walked["files"] / walked["seconds"]
    tell("the walks alone", f"{walked['seconds']:.1f} s, {rate:.0f} files a second{again}")
    if way.indexes_last:
        tell("query's migrations then", f"{times.ended - times.filled:.1f} s")
    tell("in all, from an empty database", f"{whole:.1f} s, {rows / whole:.0f} files a second")
    tell("CPU of PostgreSQL a file", f"{times.postgres / rows * 1e6:.0f} µs")


def _wait_until_filled(stage: Stage, database: Database) -> None:
    """By the service itself: every element was walked to its end."""
    deadline = time.monotonic() + FILL_SECONDS
    while ask(database, _ENDED)[0]["ended"] < len(stage.elements):
        if time.monotonic() > deadline:
            raise SystemExit(f"the registry did not come back: {ask(database, 'SELECT * FROM syncs')}")
        time.sleep(LOOK_SECONDS)


def _compare(stage: Stage, way: Way, database: Database, before: Before) -> list[str]:
    after = export(database, stage.work / "after.copy")
    wrong = list(differences(before.files, after))
    for name, rows in _known(database).items():
        if rows != before.known[name]:
            wrong.append(f"{name}: {before.known[name]}, now {rows}")
    same = "equal" if after.sha256 == before.files.sha256 else "NOT EQUAL"
    tell = stage.tell_of(way)
    tell("registry after, rows and SHA-256", f"{after.rows} {after.sha256}: {same}")
    tell("differences", f"{len(wrong)} in rows, {', '.join(before.known)}")
    _show(wrong)
    return [f"{way.name}: {words}" for words in wrong]


def _show(wrong: Iterable[str]) -> None:
    for words in islice(wrong, SHOWN):
        print(f"    {words}", flush=True)


def _known(database: Database) -> dict[str, list[tuple[object, ...]]]:
    return {name: [tuple(row) for row in ask(database, query)] for name, query in _KNOWN.items()}


if __name__ == "__main__":
    main()
