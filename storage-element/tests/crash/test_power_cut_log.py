"""Power cuts at every instant under the log and the data root alone: thousands of disks, no HTTP.

A rig does what the committing thread, the applying thread and the checkpoint do, one after the other. After each cut a
data root is opened on what is left, and each file must be one of its versions, none older than what was acknowledged.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import pytest
from artstore_core.attr_json import encode
from artstore_core.errors import ArtStoreError, NotFound
from artstore_core.files import Attributes, FileStatus
from artstore_core.modes import Mode
from artstore_core.retention import RetentionPolicy
from element_counts import tell
from element_disks import Cut, SimulatedDisk
from element_fate import Fate, fates
from element_histories import Acknowledged, Attempted, Histories
from element_names import content_of, id_of
from element_volume import Model
from storage_element.disk.root import DataRoot
from storage_element.store.changes import INLINE_BYTES, Change, ChangeKind, Logged

NOW = datetime(2026, 11, 21, tzinfo=UTC)
SMALL, LARGE = 700, INLINE_BYTES + 5000


def data_root(disk: SimulatedDisk) -> DataRoot:
    return DataRoot(disk.top, disk, "se-1", lambda *_: None, index_in_memory=True)


@dataclass(frozen=True)
class Damage:
    """The version of a file that says so, and the bytes that were found."""

    version: int
    found: bytes


@dataclass
class Rig:
    """A data root at work. `waiting` is logged and not in its place yet."""

    disk: SimulatedDisk
    histories: Histories = field(default_factory=Histories)
    latest: dict[int, tuple[Attributes, bytes]] = field(default_factory=dict)
    waiting: list[Logged] = field(default_factory=list)
    staged: list[str] = field(default_factory=list)
    damaged: dict[str, Damage] = field(default_factory=dict)

    def __post_init__(self) -> None:
        data_root(self.disk).initialise(Mode.EDIT, NOW)
        self.disk.record()
        self.root = data_root(self.disk)
        self.root.open_root()

    def put(self, number: int, size: int) -> None:
        data = content_of(number, size)
        record = Attributes(
            file_id=id_of(number),
            original_filename=f"{number}.bin",
            content_type="application/octet-stream",
            size=size,
            checksum=sha256(data).hexdigest(),
            uploaded_by="sa:x",
            uploaded_at=NOW,
            retention_policy=RetentionPolicy.PERMANENT,
        )
        if size <= INLINE_BYTES:
            self._log(number, Change(ChangeKind.PUT, record.file_id, encode(record), record, body=data), data)
            return
        writer = self.root.new_writer()
        writer.write(data)
        name = self.root.make_staged(writer)
        self.root.release(writer)
        self.staged.append(name)
        self._log(number, Change(ChangeKind.PUT, record.file_id, encode(record), record, staged=name), data)

    def patch(self, number: int, **changes: Any) -> None:
        before, data = self.latest[number]
        record = before.model_copy(update={"revision": before.revision + 1} | changes)
        self._log(number, Change(ChangeKind.SET, record.file_id, encode(record), record), data)

    def purge(self, number: int) -> None:
        record, _ = self.latest[number]
        self._log(number, Change(ChangeKind.PURGE, record.file_id, encode(record), record), None)

    def rot(self, number: int) -> None:
        """One byte of the data changes on the disk, and that is found."""
        self.apply()
        record, data = self.latest[number]
        assert data
        subject, rotten = str(record.file_id), bytes([data[0] ^ 1]) + data[1:]
        self.disk.mark(Attempted(subject, self.histories.add(subject, (record, rotten))))
        path = next(Path(name) for name in self.disk.tree() if name.endswith(f"{subject}.data"))
        handle = self.disk.open(self.disk.top / path, os.O_WRONLY)
        self.disk.write(handle, rotten[:1])
        self.disk.fsync(handle)
        self.disk.close(handle)
        found = record.model_copy(update={"status": FileStatus.DAMAGED, "damage": "checksum"})
        self._log(number, Change(ChangeKind.DAMAGE, record.file_id, encode(found), found), b"")
        self.damaged[subject] = Damage(len(self.histories.versions[subject]) - 1, rotten)

    def apply(self, most: int | None = None) -> None:
        for logged in self.waiting[:most]:
            self.root.apply(logged)
        del self.waiting[:most]

    def checkpoint(self) -> None:
        self.root.rotate_log()
        self.apply()
        self.root.make_durable()
        self.root.drop_log()
        self.root.drop_staged(self.staged)
        self.staged.clear()

    def _log(self, number: int, change: Change, data: bytes | None) -> None:
        subject = str(change.file_id)
        self.histories.begin(subject, None)
        assert change.attributes is not None
        version = self.histories.add(subject, None if data is None else (change.attributes, data))
        self.disk.mark(Attempted(subject, version))
        self.waiting.extend(self.root.append([change]))
        self.disk.mark(Acknowledged(subject, version))
        if data is None:
            del self.latest[number]
        else:
            self.latest[number] = (change.attributes, data)


def seen_in(root: DataRoot, subject: str) -> object:
    try:
        record = root.attributes(UUID(subject))
        if record.status is FileStatus.DAMAGED:
            return record, b""
        reader = root.open(record)
        content = reader.read(0, record.size)
        reader.close()
    except NotFound:
        return None
    except ArtStoreError as error:
        return repr(error)
    return record, content


def complaints(rig: Rig, cut: Cut) -> list[str]:
    root = data_root(cut.disk)
    try:
        root.open_root()
    except ArtStoreError as error:
        return [f"it does not open: {error!r}"]
    seen = {subject: seen_in(root, subject) for subject in rig.histories.versions}
    wrong = rig.histories.complaints(cut.marks, seen)
    wrong += [f"{path} stays open" for path in cut.disk.open_handles if path.suffix != ".wal" and path != cut.disk.top]
    quarantined = [data for name, data in cut.disk.tree().items() if name.startswith("quarantine/")]
    for subject, damage in rig.damaged.items():
        if Acknowledged(subject, damage.version) in cut.marks and damage.found not in quarantined:
            wrong.append(f"{subject}: its damaged bytes are not in quarantine")
    root.close_root()
    return wrong


def everything(rig: Rig) -> None:
    """Every kind of change, applied at once, late, and not at all; two checkpoints."""
    rig.put(0, SMALL)
    rig.put(1, LARGE)
    rig.put(2, 0)
    rig.apply()
    rig.patch(0, description="one")
    rig.patch(1, description="x" * 3000)
    rig.put(3, LARGE)
    rig.apply(2)
    rig.checkpoint()
    rig.patch(0, status=FileStatus.DELETED, deleted_at=NOW)
    rig.apply()
    rig.purge(0)
    rig.put(4, SMALL)
    rig.patch(4, tags=["a"])
    rig.apply()
    rig.checkpoint()
    rig.put(5, LARGE)
    rig.apply()
    rig.put(6, SMALL)


def id_used_again(rig: Rig) -> None:
    """A small file, purged, and a large one under its id; and the other way round."""
    rig.put(0, SMALL)
    rig.put(1, LARGE)
    rig.apply()
    rig.purge(0)
    rig.purge(1)
    rig.put(0, LARGE)
    rig.put(1, SMALL)
    rig.apply()
    rig.checkpoint()


def rot_and_healing(rig: Rig) -> None:
    """Damage found, and put right by an upload of the same bytes."""
    files = [(0, SMALL), (1, LARGE)]
    for number, size in files:
        rig.put(number, size)
    rig.checkpoint()  # replayed from the log, the bytes would be whole again before anybody asks for the damaged ones
    for number, size in files:
        rig.rot(number)
        rig.apply()
        rig.put(number, size)
        rig.apply()
    rig.patch(1, description="put right")


def anything(seed: int) -> Callable[[Rig], None]:
    """Twenty random steps."""

    def work(rig: Rig) -> None:
        random = Random(seed)
        for number in range(20):
            there = sorted(rig.latest)
            match random.choice("ppppssuaac"):
                case "s" if there:
                    rig.patch(random.choice(there), description=str(number))
                case "u" if there:
                    rig.purge(random.choice(there))
                case "a":
                    rig.apply(random.randint(0, len(rig.waiting)))
                case "c":
                    rig.checkpoint()
                case _:
                    free = [one for one in range(8) if one not in rig.latest]
                    if free:
                        rig.put(random.choice(free), random.choice([0, 1, SMALL, LARGE]))

    return work


def losses(work: Callable[[Rig], None], tmp_path: Path, chosen: list[Fate], **disk: Any) -> tuple[int, list[str]]:
    """The number of different disks that cuts leave, and what was wrong on the first of those that were not right."""
    rig = Rig(SimulatedDisk(tmp_path / "root", **disk))
    work(rig)
    count, wrong = 0, list[str]()
    for cut in rig.disk.cuts(chosen):
        count += 1
        found = complaints(rig, cut)
        wrong += [f"{cut}: {one}" for one in found]
    return count, wrong


@pytest.mark.parametrize("model", list(Model))
@pytest.mark.parametrize("work", [everything, id_used_again, rot_and_healing])
def test_no_cut_loses_what_was_acknowledged(
    tmp_path: Path, work: Callable[[Rig], None], model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    count, wrong = losses(work, tmp_path, fates(6), model=model)
    tell(capsys, f"{work.__name__}, {model}: {count} disks after a power cut, {len(wrong)} complaints")
    assert not wrong, f"{len(wrong)} of {count}\n" + "\n".join(wrong[:5])
    assert count > 200


@pytest.mark.parametrize("seed", range(12))
def test_no_cut_under_random_work_loses_what_was_acknowledged(
    tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    count, wrong = losses(anything(seed), tmp_path, fates(2, seed))
    tell(capsys, f"random work {seed}: {count} disks after a power cut, {len(wrong)} complaints")
    assert not wrong, f"{len(wrong)} of {count}\n" + "\n".join(wrong[:5])


def test_no_cut_during_recovery_from_a_cut_loses_anything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rig = Rig(SimulatedDisk(tmp_path / "root"))
    everything(rig)
    count, wrong = 0, list[str]()
    for first in islice(rig.disk.cuts(fates(1)), 0, None, 12):
        first.disk.record()
        root = data_root(first.disk)
        root.open_root()
        for again in first.disk.cuts(fates(1, first.position)):
            count += 1
            second = Cut(again.position, again.fate, again.disk, first.marks)
            wrong += [f"{first}, then {second}: {one}" for one in complaints(rig, second)]
        root.close_root()
    tell(capsys, f"cut during recovery from a cut: {count} disks, {len(wrong)} complaints")
    assert not wrong, f"{len(wrong)} of {count}\n" + "\n".join(wrong[:5])


FORGOTTEN: dict[str, Callable[[str, Path], bool]] = {
    "the log's flush": lambda call, _: call == "fdatasync",
    "the flush of a new segment": lambda call, path: call == "fsync" and path.suffix == ".wal",
    "the flush of the log's directory": lambda call, path: call == "fsync_dir" and path.name == "wal",
    "the flush of a large body": lambda call, path: call == "fsync" and path.parent.name == "staging",
    "the flush of the staging directory": lambda call, path: call == "fsync_dir" and path.name == "staging",
    "the flush of everything before the log goes": lambda call, _: call == "sync_all",
}


@pytest.mark.parametrize("forgotten", list(FORGOTTEN))
def test_one_forgotten_flush_is_found_out(tmp_path: Path, forgotten: str, capsys: pytest.CaptureFixture[str]) -> None:
    count, wrong = losses(everything, tmp_path, fates(6), loses=FORGOTTEN[forgotten])
    tell(capsys, f"without {forgotten}: {len(wrong)} complaints on {count} disks")
    assert wrong
