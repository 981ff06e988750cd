"""`python -m power_cut --cuts 200`: cuts the power of a storage element at work, and looks for what it had promised.

One recording of the real process on an ext4 whose disk remembers every write; then, for each cut, the disk as it may
have been at that moment, a recovery on it, and a check of everything that was acknowledged by then. Ends with 0 when
nothing was lost, 1 when something was, 3 where it cannot be tried (root, FUSE and loop devices are needed).

With `--weaken fsync`, `directory-fsync` and the like the recorded element leaves out those flushes, and it is the other
way round: 0 when losses were found, 1 when not. (On ext4 a missing flush of a directory shows only where no other flush
follows it: each commit of its journal takes the names along. A stricter disk is the simulated one in `make test`.)
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random, SystemRandom
from tempfile import TemporaryDirectory
from typing import Any, Final

from power_cut import system
from power_cut.aftermath import Seen
from power_cut.cuts import moments
from power_cut.disklog import DiskLog
from power_cut.element import SERVE, START_SECONDS, NotReady, Setup
from power_cut.images import FileImage, Timeline
from power_cut.judging import Finding, Kind
from power_cut.load import Unexpected
from power_cut.recording import Recording, record
from power_cut.trial import Trials
from power_cut.weakened import WEAKENED, flushes_unknown_here

CHECKPOINTS: Final = {"SE_CHECKPOINT_BYTES": str(4 * 1024 * 1024), "SE_CHECKPOINT_SECONDS": "3"}
"""Small, so that a short recording has several."""
_HOPELESS_SECONDS: Final = 5.0
_SHOWN: Final = 10
_KEPT: Final = 200
IMPOSSIBLE: Final = 3


@dataclass
class Report:
    """What the run found. `losses` and the like count findings; one file may be found lost after several cuts."""

    seed: int
    weakened: str | None
    cuts: int = 0
    through_the_process: int = 0
    during_recovery: int = 0
    recorded_seconds: float = 0
    recorded_writes: int = 0
    recorded_flushes: int = 0
    acknowledged: int = 0
    left_out: list[str] = field(default_factory=list)
    files_checked: int = 0
    downloads: int = 0
    uploads_checked: int = 0
    losses: int = 0
    corrupt: int = 0
    broken: int = 0
    cuts_with_findings: int = 0
    seconds_a_cut: float = 0
    slowest_cut: float = 0
    findings: list[dict[str, Any]] = field(default_factory=list)

    def add(self, number: int, seen: Seen) -> None:
        self.cuts += 1
        self.files_checked += seen.files
        self.downloads += seen.downloads
        self.uploads_checked += seen.uploads
        kinds = Counter(finding.kind for finding in seen.findings)
        self.losses += kinds[Kind.LOST]
        self.corrupt += kinds[Kind.CORRUPT]
        self.broken += kinds[Kind.BROKEN]
        self.cuts_with_findings += bool(seen.findings)
        room = _KEPT - len(self.findings)
        self.findings += [{"cut": number, **asdict(finding)} for finding in seen.findings[: min(_SHOWN, room)]]

    @property
    def clean(self) -> bool:
        return not self.cuts_with_findings

    @property
    def caught(self) -> bool:
        """Something promised was lost. Whatever else is found may have other reasons than the flush that was left out."""
        return self.losses > 0


def main() -> int:
    given = _arguments()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # leave by the same clean way as after ctrl-C
    seed = given.seed if given.seed is not None else SystemRandom().getrandbits(32)
    say = _quiet if given.json else _say
    if given.weaken and (unknown := flushes_unknown_here()):
        print(f"power_cut/weakened.py does not know these flushes: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    try:
        system.require()
        system.private_mounts()
        say(f"seed {seed}" + (f", without {given.weaken}" if given.weaken else ""))
        with TemporaryDirectory(prefix="power-cut-", dir=given.directory) as name:
            report = _run(Path(name), given, seed, say)
    except system.Missing as missing:
        print(f"Power cuts cannot be tried here, for want of: {missing}.", file=sys.stderr)
        print("What remains is the simulated disk in `make test` (storage-element/tests).", file=sys.stderr)
        return IMPOSSIBLE
    except (Unexpected, NotReady) as error:
        print(f"The recording failed before any cut: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; everything is taken down again", file=sys.stderr)
        return 130
    print(json.dumps(asdict(report), indent=1) if given.json else _text(report))
    return int(not report.caught if given.weaken else not report.clean)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m power_cut", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cuts", type=int, default=240, help="how many (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=15, help="how long to record (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="the same choices again; the recording itself is never the same")
    parser.add_argument("--process-every", type=int, default=20, help="each so-manieth cut: the real process recovers")
    parser.add_argument("--again-every", type=int, default=8, help="each so-manieth cut: a second one in the recovery")
    parser.add_argument("--weaken", choices=sorted(WEAKENED), help="leave out these flushes: losses must be found")
    parser.add_argument("--directory", type=Path, help="for up to 4 GiB of temporary files")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    return parser.parse_args()


def _run(directory: Path, given: argparse.Namespace, seed: int, say: Any) -> Report:
    chance = Random(seed)
    (directory / "disk").mkdir()
    setup = Setup(directory / "keys", directory / "disk" / "root", CHECKPOINTS)
    program = ("-m", "power_cut.weakened", given.weaken) if given.weaken else SERVE
    recording = record(directory, setup, program, given.seconds, chance)
    report = Report(seed, given.weaken, left_out=_left_out(recording))
    report.recorded_seconds = round((recording.ended - recording.began) / 1e9, 1)
    report.acknowledged = len(recording.ledger.answered)
    with DiskLog(recording.log) as log:
        base = FileImage(recording.start)
        timeline = Timeline(log, base)
        report.recorded_flushes = len(timeline.flushes)
        report.recorded_writes = len(log.entries) - report.recorded_flushes
        say(_recorded(report))
        span = (recording.began, recording.ended)
        cuts = moments(given.cuts, recording.ledger.answered, timeline.flushes, span, chance)
        trials = Trials(directory, setup, recording.ledger, base, chance, _patience(given))
        try:
            _cut_all(cuts, timeline, trials, given, report, say)
        finally:
            base.close()
    return report


def _cut_all(
    cuts: list[int], timeline: Timeline, trials: Trials, given: argparse.Namespace, report: Report, say: Any
) -> None:
    times = []
    for number, moment in enumerate(cuts, start=1):
        began = time.monotonic()
        real = number % given.process_every == 0
        again = not real and number % given.again_every == 0
        seen = trials.cut(moment, timeline.advance(moment), real_process=real, again=again)
        report.through_the_process += real
        report.during_recovery += again
        report.add(number, seen)
        times.append(time.monotonic() - began)
        if seen.findings and report.cuts_with_findings <= _SHOWN:
            more = f" and {len(seen.findings) - 1} more" if len(seen.findings) > 1 else ""
            say(f"cut {number}: {_line(seen.findings[0])}{more}")
    report.seconds_a_cut, report.slowest_cut = round(statistics.median(times), 3), round(max(times), 3)


def _patience(given: argparse.Namespace) -> float:
    """One that is weakened may rightly refuse to start, time after time."""
    return _HOPELESS_SECONDS if given.weaken else START_SECONDS


def _left_out(recording: Recording) -> list[str]:
    return [name for name, there in asdict(recording.abilities).items() if not there]


def _line(finding: Finding) -> str:
    return f"{finding.kind.upper()} {finding.what} {finding.subject}".rstrip()


def _recorded(report: Report) -> str:
    without = f"; this element has no {', '.join(report.left_out)}" if report.left_out else ""
    return (
        f"recorded {report.recorded_seconds:.1f} s: {report.acknowledged} acknowledged operations, "
        f"{report.recorded_writes} writes, {report.recorded_flushes} flushes{without}"
    )


def _text(report: Report) -> str:
    lines = [
        f"{report.cuts} power cuts, {report.through_the_process} of them recovered by the real process, "
        f"{report.during_recovery} cut again during recovery",
        f"checked: {report.files_checked} files, {report.downloads} downloads over HTTP, "
        f"{report.uploads_checked} unfinished uploads",
        f"lost {report.losses}, corrupt {report.corrupt}, broken {report.broken}, "
        f"in {report.cuts_with_findings} of {report.cuts} cuts",
        f"{report.seconds_a_cut:.2f} s a cut (median), the slowest {report.slowest_cut:.2f} s",
    ]
    if report.weakened:
        verdict = "caught, as it must be" if report.caught else "the harness misses what it must catch"
        lines.append(f"without {report.weakened}: {verdict}")
    return "\n".join(lines)


def _say(text: str) -> None:
    print(text, flush=True)


def _quiet(_text: str) -> None:
    """With --json, only that is printed."""


if __name__ == "__main__":
    sys.exit(main())
