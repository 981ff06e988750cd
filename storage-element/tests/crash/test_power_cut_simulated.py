"""Power cuts at every instant of a run of the whole element, on a disk that drops, reorders and tears unsynced writes.

The element works for many clients at once on a simulated disk, from its start to its end. Then the disk is cut off after
every event. What each cut leaves is opened by the element's own recovery, and read; every so often by a whole element
through its HTTP face. Each file must be one of its versions, none older than what was acknowledged.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from artstore_core.errors import ArtStoreError, FileDamaged, NotFound
from artstore_core.files import FileStatus
from artstore_core.modes import Mode
from artstore_testing.tokens import TokenIssuer
from element_counts import tell
from element_disks import Cut, SimulatedDisk
from element_fate import fates
from element_histories import Acknowledged, Attempted, Histories
from element_session import MODE, STORAGE_ID, DidNotOpen, Session, Step, View, initialise, subject_of
from element_volume import Model
from storage_element.disk.root import DataRoot

SMALL, LARGE = 900, 70_000
WHOLE_ELEMENT_EVERY = 40
"""Cuts of which one is looked at through HTTP."""

Work = Callable[["Run"], Coroutine[Any, Any, None]]


class Run:
    """One life of an element on a simulated disk, with all that was asked of it and promised by it."""

    def __init__(self, session: Session, disk: SimulatedDisk) -> None:
        self.session, self.disk = session, disk
        self.histories = Histories()

    async def do(self, *steps: Step) -> None:
        """One after the other."""
        for step in steps:
            subject = subject_of(step)
            if subject is None:
                await self._carry_out(step)
                continue
            self.histories.begin(subject, await self.session.view(subject))
            version = self.histories.next_version(subject)
            self.disk.mark(Attempted(subject, version))
            await self._carry_out(step)
            self.disk.mark(Acknowledged(subject, version))
            self.histories.add(subject, await self.session.view(subject))

    async def _carry_out(self, step: Step) -> None:
        answer = await self.session.perform(step)
        assert answer.is_success, f"{step}: {answer.status_code} {answer.text}"


async def many_clients(run: Run) -> None:
    """Small, large and staged uploads, changes and deletes, beside each other and beside checkpoints."""
    await asyncio.gather(
        run.do(["put", 0, SMALL], ["patch", 0, 1, {"description": "x"}], ["patch", 0, 2, {"tags": ["a"]}]),
        run.do(["put", 1, LARGE], ["patch", 1, 1, {"description": "y" * 3000}], ["delete", 1, 2]),
        run.do(["put", 2, 0], ["delete", 2, 1], ["put", 3, SMALL]),
        run.do(
            ["begin", 4, LARGE],
            ["append", 4, LARGE, 0, SMALL],
            ["append", 4, LARGE, SMALL, LARGE],
            ["complete", 4, LARGE],
        ),
        run.do(["begin", 5, SMALL], ["append", 5, SMALL, 0, SMALL], ["complete", 5, SMALL], ["delete", 5, 1]),
        run.do(["checkpoint"], ["put", 6, LARGE], ["checkpoint"], ["put", 7, SMALL], ["put", 8, LARGE]),
    )
    await run.do(["checkpoint"])
    await asyncio.gather(*(run.do(["put", number, SMALL]) for number in range(9, 14)))
    await run.do(["patch", 3, 1, {"description": "z"}], ["begin", 20, LARGE], ["append", 20, LARGE, 0, SMALL])


async def signed_parts(run: Run) -> None:
    """In any order, beside each other, one of them twice; and an upload that is never finished."""
    await run.do(["begin_parts", 0, LARGE, 30_000], ["begin_parts", 1, LARGE, 30_000], ["part", 0, LARGE, 30_000, 3])
    await asyncio.gather(
        run.do(["part", 0, LARGE, 30_000, 2]),
        run.do(["part", 0, LARGE, 30_000, 3], ["part", 0, LARGE, 30_000, 1]),
        run.do(["part", 1, LARGE, 30_000, 2], ["put", 2, SMALL]),
    )
    await run.do(["seal", 0, LARGE, 30_000], ["complete", 0, LARGE], ["checkpoint"])


async def ids_used_again(run: Run) -> None:
    """Deleted, removed for good, and uploaded anew with other bytes, all before a checkpoint."""
    await asyncio.gather(
        run.do(["put", 0, SMALL], ["delete", 0, 1], ["purge"], ["put", 0, LARGE], ["patch", 0, 1, {"tags": ["a"]}]),
        run.do(["put", 1, LARGE], ["delete", 1, 1], ["purge"], ["put", 1, SMALL]),
    )


async def mode_changes(run: Run) -> None:
    await run.do(["put", 0, SMALL], ["mode", "ro"], ["mode", "rw"], ["put", 1, LARGE], ["checkpoint"], ["mode", "ro"])


async def lived(top: Path, work: Work, mode: Mode, issuer: TokenIssuer, **disk: Any) -> Run:
    """The element does the work, and ends as by SIGTERM."""
    simulated = SimulatedDisk(top, **disk)
    initialise(top, simulated, mode)
    simulated.record()
    session = await Session(top, simulated, issuer, index_in_memory=True).start()
    run = Run(session, simulated)
    run.histories.begin(MODE, mode.value)
    await work(run)
    await session.stop()
    return run


def seen_by_recovery(disk: SimulatedDisk, subjects: Sequence[str]) -> dict[str, View]:
    """What a client would see, without the client. Raises ArtStoreError when the root does not open."""
    root = DataRoot(disk.top, disk, STORAGE_ID, lambda *_: None, index_in_memory=True)
    found = root.open_root()
    seen = {subject: found.mode.value if subject == MODE else _view(root, UUID(subject)) for subject in subjects}
    root.close_root()
    return seen


def _view(root: DataRoot, file_id: UUID) -> View:
    try:
        record = root.attributes(file_id)
    except NotFound:
        return {"record": 404, "bytes": 404}
    except FileDamaged as error:
        return repr(error)
    if record.status is FileStatus.DELETED:
        return {"record": 404, "bytes": 404}
    try:
        reader = root.open(record)
        content = reader.read(0, record.size)
        reader.close()
    except FileDamaged as error:
        return repr(error)
    return {"record": json.loads(record.public().model_dump_json()), "bytes": sha256(content).hexdigest()}


async def seen_by_clients(disk: SimulatedDisk, subjects: Sequence[str], issuer: TokenIssuer) -> dict[str, View]:
    """Raises DidNotOpen."""
    session = await Session(disk.top, disk, issuer, index_in_memory=True).start()
    try:
        seen = {subject: await session.view(subject) for subject in subjects}
        for file, shown in (await session.listed()).items():
            if shown["status"] == "damaged":
                seen[file] = "listed as damaged"
        return seen
    finally:
        await session.stop()


async def complaints(run: Run, cut: Cut, issuer: TokenIssuer, *, whole_element: bool) -> list[str]:
    subjects = list(run.histories.versions)
    try:
        if whole_element:
            seen = await seen_by_clients(cut.disk, subjects, issuer)
        else:
            seen = seen_by_recovery(cut.disk, subjects)
    except (ArtStoreError, DidNotOpen) as error:
        return [f"{cut}: it does not open: {error}"]
    return [f"{cut}: {wrong}" for wrong in run.histories.complaints(cut.marks, seen)]


async def losses(run: Run, drawn: int, issuer: TokenIssuer) -> tuple[int, list[str]]:
    """How many different disks the cuts leave, and what is wrong on them."""
    count, wrong = 0, list[str]()
    for cut in run.disk.cuts(fates(drawn)):
        count += 1
        wrong += await complaints(run, cut, issuer, whole_element=count % WHOLE_ELEMENT_EVERY == 0)
    return count, wrong


@pytest.mark.parametrize("model", list(Model))
@pytest.mark.parametrize(
    ("work", "mode"),
    [(many_clients, Mode.EDIT), (signed_parts, Mode.EDIT), (ids_used_again, Mode.EDIT), (mode_changes, Mode.RW)],
)
async def test_no_power_cut_loses_or_changes_what_was_acknowledged(
    tmp_path: Path,
    issuer: TokenIssuer,
    work: Work,
    mode: Mode,
    model: Model,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = await lived(tmp_path / "root", work, mode, issuer, model=model)
    assert not run.disk.open_handles
    count, wrong = await losses(run, 5, issuer)
    tell(capsys, f"{work.__name__}, {model}: {count} disks after a power cut, {len(wrong)} complaints")
    assert not wrong, f"{len(wrong)} on {count} disks\n" + "\n".join(wrong[:5])
    assert count > 80


FORGOTTEN: dict[str, Callable[[str, Path], bool]] = {
    "nothing": lambda *_: False,
    "the log's flush": lambda call, _: call == "fdatasync",
    "the flush of a large body": lambda call, path: call == "fsync" and path.parent.name == "staging",
    "the flush of the staging directory": lambda call, path: call == "fsync_dir" and path.name == "staging",
    "the flush of the log's directory": lambda call, path: call == "fsync_dir" and path.name == "wal",
    "the flush of everything before the log goes": lambda call, _: call == "sync_all",
}


@pytest.mark.parametrize("forgotten", list(FORGOTTEN))
async def test_one_forgotten_flush_loses_files_and_is_found_out(
    tmp_path: Path, issuer: TokenIssuer, forgotten: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same run and the same cuts; the disk does not do one kind of flush."""
    run = await lived(tmp_path / "root", many_clients, Mode.EDIT, issuer, loses=FORGOTTEN[forgotten])
    count, wrong = await losses(run, 0, issuer)
    tell(capsys, f"without {forgotten}: {len(wrong)} complaints on {count} disks")
    assert bool(wrong) == (forgotten != "nothing")
