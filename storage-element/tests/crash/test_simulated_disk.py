"""The simulated disk loses what it should lose: each forgotten flush of a small store is found, and no other fault."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from element_disks import SimulatedDisk
from element_fate import Fate, extremes, fates
from element_volume import Model
from storage_element.disk.filesystem import APPEND, CREATE, READ

TOP = Path("/disk")
NOTHING, EVERYTHING, NAMES_ONLY, HOLLOW, BYTES_ONLY = extremes()


@pytest.fixture(params=list(Model))
def disk(request: pytest.FixtureRequest) -> SimulatedDisk:
    return SimulatedDisk(TOP, model=request.param)


def create(disk: SimulatedDisk, name: str, data: bytes, *, flush: bool = True) -> None:
    handle = disk.open(TOP / name, CREATE)
    disk.write(handle, data)
    if flush:
        disk.fsync(handle)
    disk.close(handle)


def left(disk: SimulatedDisk, chosen: Iterable[Fate]) -> list[dict[str, bytes | None]]:
    """What there may be after a power cut now; the disk goes on."""
    disk.record()
    return [cut.disk.tree() for cut in disk.cuts(list(chosen))]


def test_unsynced_write_is_lost(disk: SimulatedDisk) -> None:
    create(disk, "a", b"hello", flush=False)
    disk.fsync_dir(TOP)
    assert disk.after_power_cut(NAMES_ONLY).tree() == {"a": b""}


def test_unsynced_write_may_leave_its_length(disk: SimulatedDisk) -> None:
    create(disk, "a", b"hello", flush=False)
    disk.fsync_dir(TOP)
    assert disk.after_power_cut(HOLLOW).tree() == {"a": bytes(5)}


def test_synced_file_without_its_directory_loses_its_name(disk: SimulatedDisk) -> None:
    create(disk, "a", b"hello")
    assert left(disk, [NOTHING, EVERYTHING]) == [{}, {"a": b"hello"}]
    disk.fsync_dir(TOP)
    assert left(disk, [NOTHING, EVERYTHING]) == [{"a": b"hello"}]


def test_directory_without_its_own_entry_is_lost_with_all_in_it(disk: SimulatedDisk) -> None:
    disk.mkdir(TOP / "d")
    disk.fsync_dir(TOP)
    disk.mkdir(TOP / "d" / "e")
    create(disk, "d/e/a", b"x")
    disk.fsync_dir(TOP / "d" / "e")
    lost = disk.after_power_cut(NOTHING).tree()
    # A journal keeps the order: what came before the last change of a directory that was flushed is there too.
    assert lost == ({"d": None} if disk._volume.model is Model.STRICT else {"d": None, "d/e": None, "d/e/a": b"x"})


def test_unsynced_rename_may_not_have_been(disk: SimulatedDisk) -> None:
    create(disk, "a", b"old")
    create(disk, "b", b"new")
    disk.fsync_dir(TOP)
    disk.rename(TOP / "b", TOP / "a")
    assert left(disk, fates(50)) == [{"a": b"old", "b": b"new"}, {"a": b"new"}]  # within one directory: one change


def test_rename_between_directories_is_two_changes_unless_there_is_a_journal() -> None:
    before, after = {"s/a": b"x"}, {"t/a": b"x"}
    strict, journaling = [before, after, {}, before | after], [before, after]
    for model, allowed in ((Model.STRICT, strict), (Model.JOURNALING, journaling)):
        disk = SimulatedDisk(TOP, model=model)
        disk.mkdir(TOP / "s")
        disk.mkdir(TOP / "t")
        create(disk, "s/a", b"x")
        disk.sync_all(disk.open(TOP, READ))
        disk.rename(TOP / "s" / "a", TOP / "t" / "a")
        found = [{name: data for name, data in tree.items() if data is not None} for tree in left(disk, fates(100))]
        assert all(tree in allowed for tree in found)
        assert all(tree in found for tree in allowed)


def test_changes_of_names_keep_their_order_only_in_a_journal() -> None:
    for model, in_order in ((Model.STRICT, False), (Model.JOURNALING, True)):
        disk = SimulatedDisk(TOP, model=model)
        for name in "abcd":
            create(disk, name, b"")
        found = {"".join(sorted(tree)) for tree in left(disk, fates(200))}
        assert found <= {"", "a", "ab", "abc", "abcd"} if in_order else len(found) == 16


def test_write_is_torn_at_sectors_and_never_within_one(disk: SimulatedDisk) -> None:
    create(disk, "a", b"o" * 4096)
    disk.fsync_dir(TOP)
    handle = disk.open(TOP / "a", os.O_RDWR)
    disk.write(handle, b"n" * 4096)
    found = {tree["a"] for tree in left(disk, fates(200))}
    assert len(found) > 15
    for content in found:
        assert content is not None
        assert len(content) == 4096
        assert all(len(set(content[start : start + 512])) == 1 for start in range(0, 4096, 512))


def test_unsynced_append_may_be_short_torn_or_hold_something_else(disk: SimulatedDisk) -> None:
    create(disk, "a", b"k" * 1000)
    disk.fsync_dir(TOP)
    handle = disk.open(TOP / "a", APPEND)
    disk.write(handle, b"n" * 3000)
    found = {tree["a"] or b"" for tree in left(disk, fates(300))}
    assert all(content[:1000] == b"k" * 1000 for content in found)  # what was synced stays
    assert {1000, 4000} < {len(content) for content in found}
    assert any(b"\0" * 512 in content for content in found)
    assert any(content.endswith(b"n" * 400) and b"\0" in content for content in found)  # the end, but not the middle
    assert any(b"\xa5" in content for content in found) == (disk._volume.model is Model.STRICT)


def test_later_write_of_a_sector_never_survives_without_the_earlier(disk: SimulatedDisk) -> None:
    create(disk, "a", b"")
    disk.fsync_dir(TOP)
    handle = disk.open(TOP / "a", APPEND)
    disk.write(handle, b"1" * 100)
    disk.write(handle, b"2" * 100)
    for tree in left(disk, fates(300)):
        content = tree["a"] or b""
        if content[100:].strip(b"\0\xa5"):
            assert content[:100] == b"1" * 100


def test_unsynced_cut_and_rewrite_may_keep_the_old_lose_it_or_mix(disk: SimulatedDisk) -> None:
    create(disk, "a", b"o" * 1024)
    disk.fsync_dir(TOP)
    disk.write(disk.open(TOP / "a", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), b"n" * 600)
    found = {tree["a"] for tree in left(disk, fates(300))}
    assert {b"o" * 1024, b"n" * 600, b""} < found


def test_sync_all_is_everything(disk: SimulatedDisk) -> None:
    disk.mkdir(TOP / "d")
    create(disk, "d/a", b"x", flush=False)
    disk.unlink(TOP / "d" / "a")
    create(disk, "d/b", b"y", flush=False)
    disk.sync_all(disk.open(TOP, READ))
    assert left(disk, fates(20)) == [{"d": None, "d/b": b"y"}]


def test_removed_name_may_come_back_with_its_bytes(disk: SimulatedDisk) -> None:
    create(disk, "a", b"x")
    disk.fsync_dir(TOP)
    disk.unlink(TOP / "a")
    assert left(disk, [EVERYTHING, NOTHING]) == [{}, {"a": b"x"}]


def test_killed_process_loses_nothing_and_makes_nothing_durable(disk: SimulatedDisk) -> None:
    handle = disk.lock(TOP)
    create(disk, "a", b"x", flush=False)
    following = disk.killed()
    assert following.tree() == {"a": b"x"}
    following.lock(TOP)  # the lock died with its holder
    assert following.after_power_cut(NOTHING).tree() == {}
    with pytest.raises(OSError, match="another process"):
        disk.close(handle)


def test_disk_after_a_cut_is_a_disk_of_its_own(disk: SimulatedDisk) -> None:
    create(disk, "a", b"x")
    disk.fsync_dir(TOP)
    disk.record()
    (cut,) = disk.cuts([NOTHING])
    disk.write(disk.open(TOP / "a", APPEND), b"y")
    cut.disk.write(cut.disk.open(TOP / "a", APPEND), b"z")
    assert (disk.tree(), cut.disk.tree()) == ({"a": b"xy"}, {"a": b"xz"})
    assert disk.after_power_cut(NOTHING).tree() == {"a": b"x"}


def test_same_seed_is_the_same_fate(disk: SimulatedDisk) -> None:
    for name in "abc":
        create(disk, name, os.urandom(5000), flush=False)
    disk.record()
    assert [cut.disk.tree() for cut in disk.cuts(fates(20))] == [cut.disk.tree() for cut in disk.cuts(fates(20))]


Store = Callable[[SimulatedDisk, str, bytes], None]


def store_with(*, data: bool = True, name: bool = True, rename: bool = True) -> Store:
    """A store as it should be: bytes, their flush, the name, its flush, the rename, its flush. Or without one of them."""

    def store(disk: SimulatedDisk, key: str, content: bytes) -> None:
        create(disk, "new", content, flush=data)
        if name:
            disk.fsync_dir(TOP)
        disk.rename(TOP / "new", TOP / "kept" / key)
        if rename:
            disk.fsync_dir(TOP / "kept")

    return store


def losses(store: Store, model: Model) -> int:
    """Cuts after which something that `store` promised is not as it was, of all prefixes of three calls."""
    disk = SimulatedDisk(TOP, model=model)
    disk.mkdir(TOP / "kept")
    disk.sync_all(disk.open(TOP, READ))
    disk.record()
    contents = {f"file-{number}": bytes([65 + number]) * 700 * number for number in (1, 2, 3)}
    for key, content in contents.items():
        store(disk, key, content)
        disk.mark(key)
    return sum(
        any(cut.disk.tree().get(f"kept/{key}") != contents[str(key)] for key in cut.marks)
        for cut in disk.cuts(fates(20))
    )


@pytest.mark.parametrize("model", list(Model))
def test_store_with_all_its_flushes_loses_nothing(model: Model) -> None:
    assert losses(store_with(), model) == 0


@pytest.mark.parametrize("model", list(Model))
@pytest.mark.parametrize("without", ["data", "rename"])
def test_store_without_one_flush_is_found_out(model: Model, without: str) -> None:
    assert losses(store_with(**{without: False}), model) > 0


def test_flush_of_a_name_that_is_renamed_away_is_not_needed() -> None:
    """Nothing is lost: the entry that counts is the last one."""
    assert losses(store_with(name=False), Model.STRICT) == 0


def test_flush_that_the_disk_ignores_is_found_out() -> None:
    def run(call: str) -> int:
        disk = SimulatedDisk(TOP, loses=lambda name, _: name == call)
        disk.record()
        create(disk, "a", b"x")
        disk.fsync_dir(TOP)
        disk.mark("a")
        return sum(cut.disk.tree() != {"a": b"x"} for cut in disk.cuts(fates(10)) if cut.marks)

    assert (run("none"), run("fsync") > 0, run("fsync_dir") > 0) == (0, True, True)
