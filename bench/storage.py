"""The storage element beside nginx and copyparty, in one run on one machine: big files and small ones, up and down.

The element hashes with SHA-256 and answers once the file would survive a power cut; nginx (`dav_methods PUT`) and
copyparty answer without fsync. All speak TLS with the same certificate. nginx runs once more without TLS, to show what
TLS costs, and for big uploads once more with the flush that it leaves out, beside the disk alone. Each measurement has a
fresh server on an empty directory, and the servers take turns, so that a machine whose speed drifts is unfair to nobody.
`python -m bench.storage [--quick] [--json FILE] [--cases up-small-64,...]`

Needs curl and wrk, and nginx for its rows (Debian: `apt-get install wrk nginx-light`); copyparty is fetched from PyPI.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from uuid import uuid4

from bench.storage_load import Ids, Run, Small, big_download, big_upload, disk_write, synced
from bench.storage_machine import describe
from bench.storage_report import Measured, report
from bench.storage_servers import (
    Certificate,
    Elements,
    Server,
    copyparty,
    find_copyparty,
    find_nginx,
    make_certificate,
    nginx,
    running,
)
from bench.storage_watch import Watch

MIB = 1024**2


@dataclass(frozen=True)
class Case:
    """`kind`: up-big, down-big, up-small, down-small; `clients`: streams of a big file, connections for small ones."""

    kind: str
    clients: int

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.clients}"


CASES = [Case(kind, clients) for kind in ("up-big", "down-big") for clients in (1, 8)]
CASES += [Case(kind, clients) for kind in ("up-small", "down-small") for clients in (1, 16, 64)]


@dataclass(frozen=True)
class Effort:
    """`big_mib`: of a big case in all, split over its streams."""

    repetitions: int
    big_mib: int
    seconds: float
    warm_seconds: float


FULL, QUICK = Effort(3, 1024, 5, 1), Effort(1, 128, 1, 1)
MANY_FILES = 1000
UPLOADS_ONLY = frozenset({"disk", "nginx-synced"})
"""Rows for big uploads: the disk alone, and nginx with the flush that it leaves out."""
PEERS, QUICK_PEERS = "nginx,copyparty,nginx-plain,nginx-synced,disk", "nginx,copyparty"
QUICK_CASES = "up-big-8,down-big-1,up-small-64,down-small-64"
Make = Callable[[Path, Path], Server]
"""Makes a server on a directory, with its log in a file."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="once, small and short: does it work at all?")
    parser.add_argument("--repetitions", type=int)
    parser.add_argument("--cases", default="", help="beginnings of names, with commas between: up-small-64,down-big")
    parser.add_argument("--peers", help=f"default: {PEERS}; with --quick: {QUICK_PEERS}")
    parser.add_argument("--json", type=Path, help="also write everything that was measured here")
    parser.add_argument(
        "--dir", type=Path, help="where to work: the disk that is measured (default: the temporary one)"
    )
    given = parser.parse_args()
    effort = QUICK if given.quick else FULL
    peers = given.peers or (QUICK_PEERS if given.quick else PEERS)
    repetitions = given.repetitions or effort.repetitions
    chosen = given.cases or (QUICK_CASES if given.quick else "")
    cases = [case for case in CASES if case.name.startswith(tuple(chosen.split(",")))]
    if not shutil.which("wrk"):
        raise SystemExit("wrk is missing; on Debian: apt-get install wrk")
    with tempfile.TemporaryDirectory(prefix="artstore-bench-", dir=given.dir) as name:
        bench = Bench(Path(name), effort, peers.split(","))
        try:
            measured = bench.run(cases, repetitions)
        finally:
            bench.close()
    print(report(measured))
    if given.json:
        given.json.write_text(
            json.dumps({"machine": bench.machine, "runs": [asdict(one) for one in measured]}, indent=1)
        )


class Bench:
    """One run: the servers that can be had here, the sources and the ids."""

    def __init__(self, directory: Path, effort: Effort, peers: list[str]) -> None:
        self._directory, self._effort = directory, effort
        self._certificate = make_certificate(directory)
        self._elements = Elements(self._certificate)
        self._ids = Ids(directory / "ids")
        self._makers = {"element": self._elements.make} | _peers(peers, self._certificate, directory)
        self._rows = [*self._makers, *(["disk"] if "disk" in peers else [])]
        self.machine = describe(directory)
        print("\n".join(f"{name}: {value}" for name, value in self.machine.items()))

    def close(self) -> None:
        self._elements.close()

    def run(self, cases: list[Case], repetitions: int) -> list[Measured]:
        measured = []
        for repetition in range(repetitions):
            measured += self._generator(repetition, cases)
            for case in cases:
                turn = repetition % len(self._rows)
                for name in self._rows[turn:] + self._rows[:turn]:
                    if name in UPLOADS_ONLY and case.kind != "up-big":
                        continue
                    one = self._measure(name, case, repetition)
                    print(f"{repetition + 1}/{repetitions} {one.line()}", file=sys.stderr, flush=True)
                    measured.append(one)
        return measured

    def _generator(self, repetition: int, cases: list[Case]) -> list[Measured]:
        """wrk's own cost, against nginx answering 204 to every upload."""
        if "nginx" not in self._makers or not any("small" in case.kind for case in cases):
            return []
        with self._fresh("nginx") as (server, watch):
            small = Small(server, self._ids)
            return [_measured("nothing", Case("up-small", 64), repetition, watch, small.nothing)(self._effort.seconds)]

    def _measure(self, name: str, case: Case, repetition: int) -> Measured:
        if name == "disk":
            return self._measure_disk(case, repetition)
        with self._fresh(name) as (server, watch):
            if case.kind.endswith("big"):
                return self._measure_big(name, server, case, repetition, watch)
            small = Small(server, self._ids)
            if case.kind == "up-small":
                small.upload(case.clients, self._effort.warm_seconds)
                return _measured(name, case, repetition, watch, small.upload)(self._effort.seconds)
            small.seed()
            return _measured(name, case, repetition, watch, small.download)(self._effort.seconds)

    def _measure_disk(self, case: Case, repetition: int) -> Measured:
        source = self._source(self._effort.big_mib // case.clients)

        def load(clients: int, _seconds: float) -> Run:
            return disk_write(self._directory, source, clients)

        return _measured("disk", case, repetition, Watch(os.getpid()), load)(0)

    def _measure_big(self, name: str, server: Server, case: Case, repetition: int, watch: Watch) -> Measured:
        source = self._source(self._effort.big_mib // case.clients)
        size = source.stat().st_size
        if case.kind == "down-big":
            big_upload(server, self._ids, source, case.clients)

        def load(clients: int, _seconds: float) -> Run:
            if case.kind == "up-big":
                sent = big_upload(server, self._ids, source, clients)
                return synced(sent, self._directory) if name == "nginx-synced" else sent
            return big_download(server, self._ids, size, clients)

        return _measured(name, case, repetition, watch, load)(0)

    def _source(self, mib: int) -> Path:
        path = self._directory / f"source-{mib}"
        if not path.exists():
            with path.open("wb") as file:
                for _ in range(mib):
                    file.write(os.urandom(MIB))
        os.sync()
        return path

    def _put_away(self, directory: Path) -> None:
        """Large files are removed. Small ones stay until the end: ext4 looks at each inode that was freed in the last
        minutes before it takes a new one, so that removing one server's files would slow the next one down."""
        if sum(1 for _ in islice(directory.rglob("*"), MANY_FILES)) == MANY_FILES:
            directory.rename(self._directory / f"spent-{uuid4().hex}")
        else:
            shutil.rmtree(directory, ignore_errors=True)

    @contextmanager
    def _fresh(self, name: str) -> Iterator[tuple[Server, Watch]]:
        directory = self._directory / "data"
        log = self._directory / f"{name}.log"
        server = self._makers[name](directory, log)
        try:
            with running(server) as pid:
                yield server, Watch(pid)
        finally:
            self._put_away(directory)
            log.unlink(missing_ok=True)
            os.sync()  # what this one left to be written must not slow the next one down


def _measured(
    name: str, case: Case, repetition: int, watch: Watch, load: Callable[[int, float], Run]
) -> Callable[[float], Measured]:
    def measure(seconds: float) -> Measured:
        held = watch.begin()
        run = load(case.clients, seconds)
        return Measured(name, case.name, case.clients, repetition, run, watch.cpu_seconds(), held, watch.peak_bytes())

    return measure


def _peers(wanted: list[str], certificate: Certificate, directory: Path) -> dict[str, Make]:
    """Those that can be had here; says which cannot."""
    found: dict[str, Make] = {}
    program = find_nginx()
    if program is None:
        print("nginx: not on this machine; on Debian: apt-get install nginx-light")
    else:
        version = subprocess.run([program, "-v"], stderr=subprocess.PIPE, text=True, check=True).stderr.strip()
        print(version)
        found["nginx"] = lambda place, log: nginx(program, place, log, certificate)
        found["nginx-synced"] = found["nginx"]
        found["nginx-plain"] = lambda place, log: nginx(program, place, log, None)
    if "copyparty" in wanted:
        python = find_copyparty(directory / "copyparty-venv")
        if python is None:
            print("copyparty: cannot be had from PyPI here")
        else:
            found["copyparty"] = lambda place, log: copyparty(python, place, log, certificate)
    return {name: found[name] for name in wanted if name in found}


if __name__ == "__main__":
    main()
