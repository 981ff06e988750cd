"""Uploads and downloads through the whole chain, beside peers behind the same Envoy, in one run on one machine.

`python -m bench.transfers upload|download [--quick] [--json FILE] [--cases small,big-tus] [--peers nginx,swift]`

ArtStore stores for good (SHA-256, fsync, a token checked twice, an entry in the registry that search finds); what the
peers do is said in docs/figures-transfers.md. All servers are up the whole time and one at a time is asked, in turns that
begin with another one each round. Needs curl and wrk; nginx and memcached for their rows; the rest comes from PyPI.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.storage_load import ID_COUNT, Ids, Load, Run, wrk
from bench.storage_machine import describe
from bench.storage_servers import make_certificate
from bench.storage_watch import Watch
from bench.transfers_ours import ArtStore, artstore
from bench.transfers_peers import DOWNLOADS, UPLOADS, peers
from bench.transfers_report import Measured, report
from bench.transfers_target import Stored, Target

MIB = 1024**2
WARM_SECONDS = 1.0
DEFAULT_PORT_BASE = 12700
SEED_CLIENTS = 16


@dataclass(frozen=True)
class Effort:
    """`seed_seconds`: of uploads, for the files that are downloaded for the first time."""

    repetitions: int
    big_mib: int
    seconds: float
    seed_seconds: float


FULL, QUICK = Effort(3, 1024, 5, 10), Effort(1, 64, 1, 2)
SMALL_UP, SMALL_DOWN, BIG_DOWN = (1, 16, 64), (1, 32, 128), (1, 8)
WAYS = ("single", "tus", "parts")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("direction", choices=["upload", "download"])
    parser.add_argument("--quick", action="store_true", help="once, small and short: does it work at all?")
    parser.add_argument("--repetitions", type=int)
    parser.add_argument("--cases", default="", help="beginnings of names, with commas between: small-16,big")
    parser.add_argument("--peers", help=f"default: {UPLOADS} or {DOWNLOADS}; none: ArtStore alone")
    parser.add_argument("--port-base", type=int, default=DEFAULT_PORT_BASE, help="ports of the stack")
    parser.add_argument("--json", type=Path, help="also write everything that was measured here")
    parser.add_argument("--dir", type=Path, help="where to work: the disk that is measured")
    given = parser.parse_args()
    if not shutil.which("wrk"):
        raise SystemExit("wrk is missing; on Debian: apt-get install wrk")
    effort = QUICK if given.quick else FULL
    wanted = (UPLOADS if given.direction == "upload" else DOWNLOADS) if given.peers is None else given.peers
    chosen = tuple(given.cases.split(","))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is stopped
    with tempfile.TemporaryDirectory(prefix="artstore-bench-", dir=given.dir) as name:
        directory = Path(name)
        machine = describe(directory)
        print("\n".join(f"{key}: {value}" for key, value in machine.items()), flush=True)
        with (
            peers(
                [one for one in wanted.split(",") if one and one != "none"], make_certificate(directory), directory
            ) as others,
            artstore(directory, given.port_base) as ours,
        ):
            bench = Bench(directory, effort, ours, [ours, *others], chosen)
            run = bench.uploads if given.direction == "upload" else bench.downloads
            for repetition in range(given.repetitions or effort.repetitions):
                run(repetition)
    print(report(bench.measured))
    if given.json:
        runs = [asdict(one) for one in bench.measured]
        given.json.write_text(json.dumps({"machine": machine, "runs": runs}, indent=1))


@dataclass
class Bench:
    directory: Path
    effort: Effort
    ours: ArtStore
    targets: list[Target]
    chosen: tuple[str, ...]
    measured: list[Measured] = field(default_factory=list)
    _sent: int = 0

    def __post_init__(self) -> None:
        self._ids = Ids(self.directory / "ids")

    def uploads(self, repetition: int) -> None:
        for way in WAYS:
            for target in self._turns(repetition, f"big-{way}"):
                # A peer knows one way only: it stands beside each of ours.
                sent = way if way in target.ways else target.ways[0]
                if target is not self.ours or way in target.ways:
                    self._big_up(target, way, sent, repetition)
        for clients in SMALL_UP:
            for target in self._turns(repetition, f"small-{clients}"):
                self._small_up(target, clients, repetition)

    def downloads(self, repetition: int) -> None:
        for streams in BIG_DOWN:
            for target in self._turns(repetition, f"big-{streams}"):
                self._big_down(target, streams, repetition)
        for clients in SMALL_DOWN:
            for target in self._turns(repetition, f"small-{clients}"):
                self._small_down(target, f"small-{clients}", clients, target.hot(), repetition)
        for clients in SMALL_DOWN:
            if self._is_chosen(f"first-{clients}"):
                self._first_seen(clients, repetition)

    def _turns(self, repetition: int, case: str) -> Iterator[Target]:
        turn = repetition % len(self.targets)
        if self._is_chosen(case):
            for target in self.targets[turn:] + self.targets[:turn]:
                os.sync()  # what the one before left to be written must not slow this one down
                yield target

    def _is_chosen(self, case: str) -> bool:
        return case.startswith(self.chosen)

    def _big_up(self, target: Target, way: str, sent: str, repetition: int) -> None:
        source = self._source(self.effort.big_mib)
        stored: list[str] = []

        def load() -> Run:
            run, name = target.big_up(sent, source)
            stored.append(name)
            return run

        self._measure(target, f"big-{way}", 1, repetition, load)
        target.remove(stored[0])

    def _small_up(self, target: Target, clients: int, repetition: int) -> None:
        request = target.small_up()
        self._upload(target, request, clients, WARM_SECONDS)
        before = self.ours.registered() if target is self.ours else 0
        run = self._measure(
            target,
            f"small-{clients}",
            clients,
            repetition,
            lambda: self._upload(target, request, clients, self.effort.seconds),
        )
        if target is self.ours and (found := self.ours.registered() - before) < run.units:
            raise SystemExit(f"{run.units} files were stored, and search finds {found} of them")

    def _upload(self, target: Target, request: bytes, clients: int, seconds: float) -> Run:
        run = wrk(target.url, request, self._ids.path, Load(clients, seconds, self._sent, ID_COUNT - self._sent))
        self._sent += run.units + clients + 1
        return run

    def _big_down(self, target: Target, streams: int, repetition: int) -> None:
        source = self._source(self.effort.big_mib // streams)
        _, stored = target.big_up(target.ways[0], source)
        size = source.stat().st_size
        self._measure(target, f"big-{streams}", streams, repetition, lambda: target.big_down(stored, size, streams))
        target.remove(stored)

    def _small_down(self, target: Target, case: str, clients: int, stored: Stored, repetition: int) -> Run:
        request = target.small_down()

        def load(seconds: float) -> Run:
            return wrk(target.url, request, stored.ids, Load(clients, seconds, 0, stored.count))

        load(WARM_SECONDS)
        return self._measure(target, case, clients, repetition, lambda: load(self.effort.seconds))

    def _first_seen(self, clients: int, repetition: int) -> None:
        """Each file once, for as long as there are files that nobody asked for."""
        self._upload(self.ours, self.ours.small_up(), SEED_CLIENTS, self.effort.seed_seconds)
        stored, request = self.ours.first_seen(), self.ours.small_down()
        tried = wrk(self.ours.url, request, stored.ids, Load(clients, WARM_SECONDS, 0, stored.count))
        asked = tried.units + clients
        seconds = min(self.effort.seconds, 0.7 * (stored.count - asked) / max(tried.rate, 1))
        load = Load(clients, seconds, asked, stored.count - asked)
        run = self._measure(
            self.ours, f"first-{clients}", clients, repetition, lambda: wrk(self.ours.url, request, stored.ids, load)
        )
        if run.units > load.count:
            raise SystemExit("not enough files: some were asked for twice")

    def _measure(self, target: Target, case: str, clients: int, repetition: int, load: Callable[[], Run]) -> Run:
        watches = {name: Watch(pid) for name, pid in target.processes().items()}
        held = {name: watch.begin() for name, watch in watches.items()}
        run = load()
        if not run.units:
            raise SystemExit(f"{target.name} answered none of the requests of {case}")
        cpu = {name: watch.cpu_seconds() for name, watch in watches.items()}
        peak = {name: watch.peak_bytes() for name, watch in watches.items()}
        self.measured.append(Measured(target.name, case, clients, repetition, run, cpu, held, peak))
        print(f"{repetition + 1} {self.measured[-1].line()}", file=sys.stderr, flush=True)
        return run

    def _source(self, mib: int) -> Path:
        path = self.directory / f"source-{mib}"
        if not path.exists():
            with path.open("wb") as file:
                for _ in range(mib):
                    file.write(os.urandom(MIB))
        os.sync()
        return path


if __name__ == "__main__":
    main()
