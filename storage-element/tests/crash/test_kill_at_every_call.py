"""SIGKILL at every call to the filesystem, of every kind of change: whole or not there, and nothing left lying about.

For each scenario a child carries it out on a copy of a prepared data root and dies at its first call, then at its second,
and so on until it lives (in long ones here at every third). What is left is started again, here and without faults.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import pytest
from artstore_testing.tokens import TokenIssuer
from element_child import Life, Nursery, Order
from element_counts import tell
from element_faults import Moment
from element_histories import Acknowledged, Histories
from element_session import DidNotOpen, Session, Step, subject_of
from storage_element.disk.filesystem import RealFileSystem

pytestmark = pytest.mark.integration

SMALL, LARGE = 1000, 150_000
FLUSHES = ("fdatasync", "fsync", "fsync_dir", "sync_all")
MOST_CALLS = 600
FEW_CALLS = 25
STRIDE = int(os.environ.get("ARTSTORE_KILL_STRIDE", "3"))
"""In scenarios of more than a few calls, every third one; `make kill-at-every-call` takes each."""


@dataclass(frozen=True)
class Scenario:
    """`before` is done in peace; the kills come during `steps` and the end of the element."""

    before: tuple[Step, ...] = ()
    steps: tuple[Step, ...] = ()
    mode: str = "edit"
    at_start: bool = False
    """The process before was killed as well, with its log full, and the kills come during the start."""


SCENARIOS = {
    "small upload": Scenario(steps=(["put", 0, SMALL],)),
    "empty upload": Scenario(steps=(["put", 0, 0],)),
    "large upload": Scenario(steps=(["put", 0, LARGE],)),
    "staged upload": Scenario(
        steps=(
            ["begin", 0, LARGE],
            ["append", 0, LARGE, 0, 100_000],
            ["append", 0, LARGE, 100_000, LARGE],
            ["complete", 0, LARGE],
        )
    ),
    "completion": Scenario(
        before=(["begin", 0, SMALL], ["append", 0, SMALL, 0, SMALL]), steps=(["complete", 0, SMALL],)
    ),
    "signed part": Scenario(
        steps=(
            ["begin_parts", 0, SMALL, SMALL],
            ["part", 0, SMALL, SMALL, 1],
            ["part", 0, SMALL, SMALL, 1],
            ["seal", 0, SMALL, SMALL],
            ["complete", 0, SMALL],
        )
    ),
    "patch": Scenario(
        before=(["put", 0, SMALL], ["put", 1, LARGE]),
        steps=(["patch", 0, 1, {"description": "x" * 3000}], ["patch", 1, 1, {"tags": ["a", "b"]}]),
    ),
    "delete": Scenario(before=(["put", 0, SMALL], ["put", 1, LARGE]), steps=(["delete", 0, 1], ["delete", 1, 1])),
    "garbage collection": Scenario(
        before=(["put", 0, SMALL], ["put", 1, LARGE], ["put", 2, SMALL], ["delete", 0, 1], ["delete", 1, 1]),
        steps=(["purge"],),
    ),
    "id used again": Scenario(steps=(["put", 0, SMALL], ["delete", 0, 1], ["purge"], ["put", 0, LARGE])),
    "mode change": Scenario(before=(["put", 0, SMALL],), steps=(["mode", "ro"], ["mode", "rw"]), mode="rw"),
    "checkpoint": Scenario(
        steps=(
            ["put", 0, SMALL],
            ["put", 1, LARGE],
            ["patch", 0, 1, {"description": "x"}],
            ["checkpoint"],
            ["delete", 1, 1],
            ["checkpoint"],
        )
    ),
    "recovery": Scenario(
        before=(
            ["put", 0, SMALL],
            ["put", 1, LARGE],
            ["checkpoint"],
            ["patch", 0, 1, {"description": "x"}],
            ["delete", 1, 1],
            ["put", 2, SMALL],
            ["put", 3, LARGE],
            ["begin", 4, LARGE],
            ["append", 4, LARGE, 0, SMALL],
        ),
        at_start=True,
    ),
}


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("nursery") / "log") as nursery:
        yield nursery


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is such a place: a killed process leaves the same there, and a flush costs nothing."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as directory:
        yield Path(directory)


@dataclass
class Trial:
    """One scenario: its prepared root, and what may be seen after it."""

    scenario: Scenario
    nursery: Nursery
    place: Path
    issuer: TokenIssuer

    def prepare(self) -> None:
        self.prepared = self.place / "prepared"
        self.prepared.mkdir()
        before = self._lived(
            Order(
                str(self.prepared),
                self.scenario.before,
                mode=self.scenario.mode,
                dropped=self.scenario.at_start,
                looking=True,
            )
        )
        self.whole = self._lived(self._order())
        seen_in_peace = self._lived(replace(self._order(), looking=True))
        self.histories = Histories()
        for subject, _, after in before.views:
            self.histories.versions[subject] = [after]
        for subject, seen, after in seen_in_peace.views:
            self.histories.begin(subject, seen)
            self.histories.add(subject, after)

    def killed_at(self, number: int, moment: Moment) -> Life:
        return self.nursery.run(replace(self._order(), kill_at=number, moment=moment.value))

    async def complaints(self, life: Life) -> list[str]:
        """Starts what was left, looks at everything, ends it, and looks at the directory."""
        try:
            session = await Session(self.root, RealFileSystem(), self.issuer).start()
        except DidNotOpen as error:
            return [f"it does not open: {error}"]
        seen = {subject: await session.view(subject) for subject in self.histories.versions}
        wrong = self.histories.complaints(life.marks, seen)
        listed = await session.listed()
        wrong += [
            f"{file} is listed as {listed[file]['status']}" for file in listed if listed[file]["status"] == "damaged"
        ]
        wrong += [f"reconcile found {finding}" for finding in await session.reconcile()]
        wrong += await self._again(session, life)
        await session.stop()
        return wrong + [f"left: {path.relative_to(self.root)}" for path in unexplained(self.root)]

    async def _again(self, session: Session, life: Life) -> list[str]:
        """Uploads whose answer was lost are sent once more, as a client would."""
        wrong = []
        for step in self.scenario.steps:
            subject = subject_of(step)
            if step[0] != "put" or subject is None or len(self.histories.versions[subject]) > 2:
                continue  # what came before it would have to be done again as well
            if Acknowledged(subject, 1) not in life.marks:
                answer = await session.perform(step)
                if not answer.is_success or await session.view(subject) != self.histories.versions[subject][1]:
                    wrong.append(f"sent again, {step} gave {answer.status_code} {answer.text}")
        return wrong

    def _order(self) -> Order:
        self.root = self.place / "root"
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.prepared, self.root)
        return Order(str(self.root), self.scenario.steps, from_the_start=self.scenario.at_start)

    def _lived(self, order: Order) -> Life:
        life = self.nursery.run(order)
        assert life.trouble is None, life.trouble
        return life


def unexplained(root: Path) -> list[Path]:
    """Files after a clean stop that nothing explains."""
    return [path for path in root.rglob("*") if path.is_file() and not _is_explained(path, path.relative_to(root))]


def _is_explained(path: Path, name: Path) -> bool:
    match name.parts:
        case ("artstore-element.json" | "mode.json",):
            return True
        case (single,) if single.startswith("index.sqlite"):
            return True
        case ("files", shard, file):
            stem = file.removesuffix(".data").removesuffix(".attr.json")
            return shard == UUID(stem).hex[-3:] and all(
                path.with_name(f"{stem}{suffix}").exists() for suffix in (".data", ".attr.json")
            )
        case ("maintenance", _):
            return True
        case ("staging", file):
            stem = file.removesuffix(".part").removesuffix(".parts").removesuffix(".upload.json")
            return all(path.with_name(f"{stem}{suffix}").exists() for suffix in (".part", ".upload.json"))
        case ("wal", _):
            return len(list(path.parent.iterdir())) == 1  # the segment that the next change would go to
        case ("quarantine", file):
            return ".wal." in file  # a group that was torn, kept aside
        case _:
            return False


@pytest.mark.parametrize("name", list(SCENARIOS))
async def test_killed_at_every_call(
    name: str,
    nursery: Nursery,
    place: Path,
    issuer: TokenIssuer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trial = Trial(SCENARIOS[name], nursery, place, issuer)
    trial.prepare()
    wrong, points = [], dict.fromkeys(Moment, 0)
    stride = STRIDE if (trial.whole.calls or 0) > FEW_CALLS else 1
    for place_in_turn, moment in enumerate(Moment):
        for number in range(1 + place_in_turn % stride, MOST_CALLS, stride):
            if not _is_worth_it(trial.whole, number, moment):
                if number > (trial.whole.calls or 0):
                    break
                continue
            life = trial.killed_at(number, moment)
            assert life.trouble is None, life.trouble
            wrong += [f"killed {moment} call {number}: {found}" for found in await trial.complaints(life)]
            if life.calls is None:
                points[moment] += 1
            elif number >= (trial.whole.calls or 0):
                break
    told = ", ".join(f"{count} {moment}" for moment, count in points.items())
    tell(capsys, f"{name}: killed at {sum(points.values())} calls ({told}), {len(wrong)} complaints")
    assert not wrong, "\n".join(wrong[:10])
    assert points[Moment.BEFORE] >= (trial.whole.calls or 0) * 0.8 // stride


def _is_worth_it(whole: Life, number: int, moment: Moment) -> bool:
    """Before a call, always. In its midst only where it has one; and after it where something was promised by it."""
    if moment is Moment.BEFORE:
        return True
    name = whole.log[number - 1].split()[0] if number <= len(whole.log) else ""
    return name in ("write", "pwrite") if moment is Moment.MIDWAY else name in FLUSHES
