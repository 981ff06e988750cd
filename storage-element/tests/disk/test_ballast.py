"""Room that is kept for a start on a full disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from artstore_core.errors import StorageFull
from artstore_core.modes import Mode
from element_faults import Interposed
from element_roots import NOW, STORAGE_ID, Root, file_id, put
from element_shell import Shell
from element_small_disk import MIB, filled, small_disk
from storage_element.disk.adoption import Adoption
from storage_element.disk.ballast import Ballast
from storage_element.disk.filesystem import FileSystem, RealFileSystem
from storage_element.disk.layout import Layout

BODY = bytes(range(256)) * 250
CHANGES = 80
SIZE = 16 * MIB


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path) as path:
        yield path


def ballast(root: Root, size: int = SIZE, filesystem: FileSystem | None = None) -> Ballast:
    return Ballast(Layout(root.path), filesystem or RealFileSystem(), size)


def killed(path: Path, *, size: int) -> Root:
    """With 5 MB in its log that are nowhere else."""
    root = Root(path)
    ballast(root, size).keep()
    root.open()
    for number in range(CHANGES):
        root.append(put(file_id(number), BODY))
    root.close()
    return root


def test_start_on_a_full_disk_puts_what_is_promised_into_its_place(disk: Path) -> None:
    root = killed(disk / "root", size=SIZE)
    with filled(disk):
        root.again()
        assert ("the disk is full: the ballast was given up", "ballast") in root.reports
        assert root.listed() == [file_id(number) for number in range(CHANGES)]
        assert all(root.read(file_id(number)) == BODY for number in range(CHANGES))
        ballast(root).keep()
        assert not (root.path / "ballast").exists()
    ballast(root).keep()
    assert (root.path / "ballast").stat().st_size == SIZE
    root.close()


def test_without_one_it_waits_for_room(disk: Path) -> None:
    root = killed(disk / "root", size=0)
    with filled(disk), pytest.raises(StorageFull):
        root.again()
    root.again()
    assert len(root.listed()) == CHANGES
    root.close()


def test_copy_is_adopted_on_a_full_disk(disk: Path) -> None:
    root = killed(disk / "root", size=SIZE)
    with filled(disk):
        Adoption(root.path, RealFileSystem(), "se-2", lambda *_: None).run(Mode.RO, NOW)
        adopted = Root(root.path, storage_id="se-2", make=False)
        adopted.open()
        assert len(adopted.listed()) == CHANGES
        adopted.close()


def test_start_that_has_room_leaves_it_alone(tmp_path: Path) -> None:
    root = killed(tmp_path / "root", size=SIZE)
    root.again()
    assert len(root.listed()) == CHANGES
    assert (root.path / "ballast").stat().st_size == SIZE
    root.close()


class Unallocating(Interposed):
    """Has no fallocate(2)."""


@pytest.mark.parametrize("filesystem", [RealFileSystem(), Unallocating()])
def test_it_takes_real_room_is_made_whole_and_changes_its_size(tmp_path: Path, filesystem: FileSystem) -> None:
    root = Root(tmp_path / "root")
    path = root.path / "ballast"
    for size in (2 * MIB, MIB, 0, MIB):
        one = ballast(root, size, filesystem)
        one.keep()
        assert one.bytes == size
        assert path.exists() == (size > 0)
        if size:
            assert path.stat().st_size == size <= path.stat().st_blocks * 512
    with path.open("ab") as file:
        file.truncate(100)  # as a process leaves it that was killed while it made one
    one = ballast(root, MIB, filesystem)
    assert one.bytes == 0
    one.keep()
    assert (one.bytes, path.stat().st_size) == (MIB, MIB)
    assert one.release()
    assert not one.release()
    assert one.bytes == 0


def test_it_takes_no_more_than_half_of_what_is_left(disk: Path) -> None:
    root = Root(disk / "root")
    one = ballast(root, 40 * MIB)
    one.keep()
    assert (one.bytes, (root.path / "ballast").exists()) == (0, False)


def test_commands_make_it_and_nothing_is_found_wrong_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shell = Shell(tmp_path / "root", capsys, STORAGE_ID)
    path = tmp_path / "root" / "ballast"
    assert shell("init") == 0
    assert path.stat().st_size == SIZE
    assert shell("verify", "--json") == 0
    path.unlink()
    assert shell("adopt") == 0
    assert path.stat().st_size == SIZE
    assert shell("init") == 0
