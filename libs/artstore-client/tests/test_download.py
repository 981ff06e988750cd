"""What can go wrong while a file comes down."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import stat
import sys
from collections import deque
from pathlib import Path

import anyio
import pytest
from artstore_client import AsyncArtStore, errors
from artstore_client.landing import choose
from client_stand import Stand, problem
from starlette.responses import Response

CONTENT = hashlib.shake_128(b"content").digest(3 * 1024 * 1024 + 5)


def asked(stand: Stand, file_id: str) -> list[dict[str, str]]:
    return stand.asked(f"GET /api/v1/files/{file_id}/download")


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_the_same_bytes_come_back(stand: Stand, store: AsyncArtStore, tmp_path: Path) -> None:
    seen: list[int] = []
    file_id = stand.put(CONTENT)
    got = await store.download(file_id, tmp_path / "a", on_progress=lambda done, _: seen.append(done))
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert (got.path, got.size, seen[-1]) == (tmp_path / "a", len(CONTENT), len(CONTENT))
    assert names_in(tmp_path) == ["a"]


async def test_an_empty_file_comes_back(stand: Stand, store: AsyncArtStore, tmp_path: Path) -> None:
    await store.download(stand.put(b""), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b""


async def test_a_broken_connection_is_continued_where_it_broke(
    stand: Stand, store: AsyncArtStore, tmp_path: Path
) -> None:
    stand.breaks = deque([1_500_000, 400_000])
    file_id = stand.put(CONTENT)
    await store.download(file_id, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    first, *others = asked(stand, file_id)
    assert "range" not in first
    assert [headers["if-range"] for headers in others] == [f'"{hashlib.sha256(CONTENT).hexdigest()}"'] * 2
    starts = [int(headers["range"].removeprefix("bytes=").removesuffix("-")) for headers in others]
    assert 0 < starts[0] < starts[1]


async def test_a_server_without_ranges_is_read_again_from_the_start(
    stand: Stand, store: AsyncArtStore, tmp_path: Path
) -> None:
    stand.breaks, stand.ranges = deque([1_500_000]), False
    await store.download(stand.put(CONTENT), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


async def test_an_element_that_restarts_under_us_is_waited_for(
    stand: Stand, store: AsyncArtStore, tmp_path: Path
) -> None:
    file_id = stand.put(CONTENT)
    line = f"GET /api/v1/files/{file_id}/download"
    stand.canned[line].append(problem(503, "STORAGE_UNAVAILABLE", "restarting", Retry_After="0"))
    await store.download(file_id, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


async def test_a_link_that_always_breaks_is_given_up(stand: Stand, store: AsyncArtStore, tmp_path: Path) -> None:
    stand.breaks = deque([0] * 100)
    file_id = stand.put(CONTENT)
    with pytest.raises(errors.ConnectionFailed):
        await store.download(file_id, tmp_path / "a")
    assert len(asked(stand, file_id)) <= store.config.retry.attempts
    assert names_in(tmp_path) == []


async def test_a_wrong_checksum_leaves_the_old_file(stand: Stand, store: AsyncArtStore, tmp_path: Path) -> None:
    stand.corrupt = True
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(errors.IntegrityError):
        await store.download(stand.put(CONTENT), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names_in(tmp_path) == ["a"]


async def test_a_file_that_is_another_after_the_break_is_not_spliced(
    stand: Stand, store: AsyncArtStore, tmp_path: Path
) -> None:
    file_id = stand.put(CONTENT)
    stand.breaks = deque([1_500_000])

    def replace(_done: int, _total: int | None) -> None:
        stand.files[file_id]["checksum"] = "a" * 64

    with pytest.raises(errors.IntegrityError, match="changed"):
        await store.download(file_id, tmp_path / "a", on_progress=replace)
    assert names_in(tmp_path) == []


async def test_bytes_without_a_checksum_are_not_kept(stand: Stand, store: AsyncArtStore, tmp_path: Path) -> None:
    file_id = stand.put(CONTENT)
    stand.canned[f"GET /api/v1/files/{file_id}/download"].append(Response(b"x", headers={"ETag": 'W/"1"'}))
    with pytest.raises(errors.ProtocolError, match="checksum"):
        await store.download(file_id, tmp_path / "a")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("отчёт.pdf", "отчёт.pdf"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        (".bashrc", "_bashrc"),
        ("-rf", "_rf"),
        ("photo\u202egnp.exe", "photo_gnp.exe"),
        ("a\x1b[2Jb", "a_[2Jb"),
    ],
)
async def test_a_servers_name_stays_in_the_folder(
    stand: Stand, store: AsyncArtStore, tmp_path: Path, name: str, expected: str
) -> None:
    got = await store.download(stand.put(b"x", name), tmp_path)
    assert got.path == tmp_path / expected


@pytest.mark.parametrize("name", ["..", ".", "/", "...", "\u200b", "a/.."])
async def test_a_name_that_is_none_becomes_the_id(
    stand: Stand, store: AsyncArtStore, tmp_path: Path, name: str
) -> None:
    file_id = stand.put(b"x", name)
    assert (await store.download(file_id, tmp_path)).path == tmp_path / file_id


async def test_a_servers_name_replaces_nothing(stand: Stand, store: AsyncArtStore, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"mine")
    (tmp_path / "a (2).txt").symlink_to("nowhere")
    got = await store.download(stand.put(b"x", "a.txt"), tmp_path)
    assert got.path == tmp_path / "a (3).txt"
    assert (tmp_path / "a.txt").read_bytes() == b"mine"


async def test_a_named_file_is_replaced_with_the_usual_permissions(
    stand: Stand, store: AsyncArtStore, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(b"old")
    await store.download(stand.put(b"new"), tmp_path / "a")
    (tmp_path / "plain").touch()
    assert (tmp_path / "a").read_bytes() == b"new"
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode


async def test_a_device_is_written_to_and_not_replaced(stand: Stand, store: AsyncArtStore) -> None:
    got = await store.download(stand.put(CONTENT), os.devnull)
    assert got.path is None
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)  # noqa: PTH116


async def test_a_file_object_gets_the_bytes(stand: Stand, store: AsyncArtStore) -> None:
    sink = io.BytesIO()
    await store.download(stand.put(CONTENT), sink)
    assert sink.getvalue() == CONTENT


async def test_a_missing_folder_is_told_before_anything_is_fetched(
    stand: Stand, store: AsyncArtStore, tmp_path: Path
) -> None:
    file_id = stand.put(CONTENT)
    with pytest.raises(FileNotFoundError):
        await store.download(file_id, tmp_path / "no" / "a")
    assert asked(stand, file_id) == []


async def test_a_cancelled_download_leaves_nothing(stand: Stand, store: AsyncArtStore, tmp_path: Path) -> None:
    file_id = stand.put(CONTENT)
    with anyio.CancelScope() as scope:
        await store.download(file_id, tmp_path / "a", on_progress=lambda *_: scope.cancel())
    assert scope.cancelled_caught
    assert names_in(tmp_path) == []


async def test_a_task_cancelled_by_asyncio_itself_leaves_nothing(
    stand: Stand, store: AsyncArtStore, tmp_path: Path
) -> None:
    for after in range(6):  # at each of the first waits: choosing, opening, asking, …
        task = asyncio.create_task(store.download(stand.put(CONTENT), tmp_path / "a"))
        for _ in range(after):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert names_in(tmp_path) == []


def test_a_landing_given_up_before_it_opened_leaves_nothing(tmp_path: Path) -> None:
    landing = choose(tmp_path / "a")
    landing.discard()
    landing.open()
    assert names_in(tmp_path) == []


async def test_a_full_disk_leaves_nothing(stand: Stand, tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; from artstore_client import ArtStore;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
        "ArtStore().download(sys.argv[1], 'a')"
    )
    with anyio.fail_after(30):
        done = await anyio.run_process(
            [sys.executable, "-c", code, stand.put(CONTENT)],
            cwd=tmp_path,
            env={**os.environ, **stand.environment()},
            check=False,
        )  # nor does the client that was never closed keep the process alive
    assert b"File too large" in done.stderr
    assert names_in(tmp_path) == []


async def test_an_id_cannot_lead_to_another_path(store: AsyncArtStore, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="UUID"):
        await store.download("../auth/me?", tmp_path)
