"""A disk that does not give out a file: once is told, again and again is damage (requirement S14)."""

from __future__ import annotations

import errno
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from element_shell import Shell
from element_upkeep import (
    FAST,
    Failing,
    content,
    data_of,
    listed_as_damaged,
    metrics,
    quarantined,
    record_of,
    refused,
    run,
    status,
    stored,
    told_as,
)

AT_MOST = 3


async def next_run(api: Any, job: str = "scrub", **body: Any) -> dict[str, int]:
    """Another one than before: runs are told apart by their beginning."""
    api.clock.advance(timedelta(seconds=1))
    counts: dict[str, int] = (await run(api, job, **body))["counts"]
    return counts


async def start(make: Any, disk: Failing) -> Any:
    return await make.start(filesystem=disk, scrub_bytes_per_second=FAST)


async def two(make: Any, disk: Failing) -> tuple[Any, UUID, UUID]:
    api = await start(make, disk)
    bad, good = await stored(api, 2)
    return api, bad, good


async def test_data_that_is_never_given_out_is_damaged_and_moved_unread(
    make: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    disk = Failing()
    api, bad, good = await two(make, disk)
    disk.bad = data_of(api, bad)
    number = disk.bad.stat().st_ino
    for _ in range(AT_MOST - 1):
        assert await next_run(api) == {"read_error": 1}
        assert await status(api, bad) == "active"
        await make.stop()  # which forgets nothing
        api = await start(make, disk)
    assert await next_run(api) == {"read_error": 1, "data_unreadable": 1}
    await api.checkpoint()
    assert [path.stat().st_ino for path in quarantined(api)] == [number]
    assert json.loads(record_of(api, bad).read_bytes())["damage"] == "data unreadable"
    assert await listed_as_damaged(api) == {str(bad)}
    assert await told_as(api, bad) == "damaged"
    await refused(api, bad)
    assert (await metrics(api))["artstore_element_quarantine_bytes"] == 1000
    assert await next_run(api) == {}
    assert await next_run(api, "reconcile") == {}
    assert (await api.put(bad, content(0))).status_code == 201
    disk.bad = None  # another place on the disk
    assert (await api.download(bad)).content == content(0)
    assert (await api.download(good)).content == content(1)
    await make.stop()
    assert Shell(api.root, capsys, "se-test-1")("verify", "--json") == 0


async def test_error_that_passes_is_none(make: Any) -> None:
    disk = Failing()
    api, bad, good = await two(make, disk)
    path = data_of(api, bad)
    for _ in range(2):
        for disk.bad in [path] * (AT_MOST - 1):
            assert await next_run(api) == {"read_error": 1}
        disk.bad = None
        assert await next_run(api) == {}
    assert (await status(api, bad), await status(api, good)) == ("active", "active")
    assert (await api.download(bad)).content == content(0)
    assert quarantined(api) == []


async def test_one_run_counts_once(make: Any) -> None:
    disk = Failing()
    api, bad, _ = await two(make, disk)
    disk.bad = data_of(api, bad)
    for _ in range(AT_MOST + 1):
        assert (await run(api, "scrub"))["counts"] == {"read_error": 1}  # the clock stands still
    assert await status(api, bad) == "active"


async def test_want_of_descriptors_says_nothing_of_a_file(make: Any) -> None:
    disk = Failing(errno.EMFILE)
    api, bad, _ = await two(make, disk)
    disk.bad = data_of(api, bad)
    for _ in range(AT_MOST + 1):
        assert await next_run(api) == {"read_error": 1}
    assert await status(api, bad) == "active"


async def test_reconcile_reads_again_what_was_not_given_out(make: Any) -> None:
    """Without it, three weeks would pass: it compares every six hours, and reads nothing else."""
    disk = Failing()
    api, bad, _ = await two(make, disk)
    disk.bad = data_of(api, bad)
    assert await next_run(api, "reconcile", checksums=False) == {}
    assert await next_run(api) == {"read_error": 1}
    assert await next_run(api, "reconcile", checksums=False) == {"read_error": 1}
    assert await next_run(api, "reconcile", checksums=False) == {"read_error": 1, "data_unreadable": 1}
    await refused(api, bad)


async def test_record_that_is_never_given_out_is_written_anew(make: Any) -> None:
    disk = Failing()
    api, bad, good = await two(make, disk)
    disk.bad = record_of(api, bad)
    number = disk.bad.stat().st_ino
    for _ in range(AT_MOST - 1):
        assert await next_run(api, "reconcile", checksums=False) == {"read_error": 1}
    assert await next_run(api, "reconcile", checksums=False) == {"read_error": 1, "record_missing": 1}
    assert [path.stat().st_ino for path in quarantined(api)] == [number]
    disk.bad = None
    await refused(api, bad)
    assert await next_run(api, "reconcile") == {"healed": 1}
    assert (await api.download(bad)).content == content(0)
    assert (await api.download(good)).content == content(1)
    assert await next_run(api) == {}


async def test_file_that_is_gone_is_forgotten(make: Any) -> None:
    disk = Failing()
    api, bad, _ = await two(make, disk)
    disk.bad = data_of(api, bad)
    await next_run(api)
    note = api.root / "maintenance" / "readerrors.json"
    assert list(json.loads(note.read_bytes())["runs"]) == [str(bad)]
    assert (await api.client.delete(f"/api/v1/files/{bad}")).status_code == 204
    assert await api.app.state.upkeep.gc.once() == 1
    await next_run(api, "reconcile", checksums=False)
    assert json.loads(note.read_bytes())["runs"] == {}


async def test_notes_that_the_disk_does_not_give_out_hold_nothing_up(make: Any) -> None:
    disk = Failing()
    api = await start(make, disk)
    (file_id,) = await stored(api)
    await api.app.state.upkeep.guard.note()
    await next_run(api, "reconcile")
    for name in ("clock", "reconcile"):
        await make.stop()
        disk.bad = api.root / "maintenance" / f"{name}.json"
        api = await start(make, disk)
        await api.app.state.upkeep.gc.once()
        assert api.app.state.upkeep.guard.doubtful is (name == "clock")  # nothing is known: not as of a new element
        assert await next_run(api, "reconcile") == {}
    assert (await api.download(file_id)).content == content(0)
