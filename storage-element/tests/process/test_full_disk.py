"""A disk that is full to its last byte: refused is what has no room, and nothing else happens."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from artstore_core.modes import Mode
from element_small_disk import MIB, Stranger, filled, small_disk
from element_user import User, check_list
from storage_element.disk.filesystem import RealFileSystem
from storage_element.disk.root import DataRoot

pytestmark = pytest.mark.integration

MANY_SIZES = [5 * MIB, 2 * MIB, 700_000, 66_000, 65_537, 65_536, 10_000, 100]
USERS = 4


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path) as made:
        yield made


@pytest.fixture
def root(disk: Path) -> Path:
    """In a directory of its own: lost+found is not the element's."""
    DataRoot(disk / "root", RealFileSystem(), "se-test-1", lambda *_: None).initialise(Mode.EDIT, datetime.now(UTC))
    return disk / "root"


@pytest.fixture
def element(process: Any, tmp_path: Path) -> Any:
    """One that lets nothing rest: checkpoints and garbage collection all the time."""
    process.log = tmp_path / "element.log"
    process.environment |= {
        "SE_CHECKPOINT_SECONDS": "0.5",
        "SE_CHECKPOINT_BYTES": str(MIB),
        "SE_GC_SECONDS": "0.5",
    }
    return process


@contextmanager
def users_of(element: Any, number: int = 1) -> Iterator[list[User]]:
    with ExitStack() as stack:
        yield [User(stack.enter_context(element.client()), element.metadata, seed) for seed in range(number)]


@contextmanager
def once_more(element: Any, user: User) -> Iterator[User]:
    """The same one on a new connection: the element was started again."""
    with users_of(element) as (again,):
        again.random = user.random
        again.files, again.half, again.deleted, again.refused = user.files, user.half, user.deleted, user.refused
        yield again


def info(client: httpx.Client) -> dict[str, Any]:
    answer = client.get("/api/v1/info")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def wait_until(true: Any, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def verified(element: Any) -> dict[str, Any]:
    """What `verify` says of the stopped element, byte by byte."""
    ended = subprocess.run(
        [sys.executable, "-m", "storage_element", "verify", "--json"],
        env=element.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def staged(element: Any) -> set[str]:
    return {path.name for path in (element.root / "staging").iterdir()}


def make_checkpoint(client: httpx.Client) -> None:
    answer = client.post("/api/v1/maintenance/checkpoint")
    assert answer.status_code == 200, answer.text


def fill(client: httpx.Client, user: User) -> None:
    """Files of many sizes, each size until it is refused; with an empty log, which would give room back later."""
    for size in MANY_SIZES:
        refused = False
        while not refused:
            for number in itertools.count():
                if not user.put(size):
                    break
                if number % 20 == 10:
                    user.patch_one()
            make_checkpoint(client)
            refused = not user.put(size)


def test_uploads_fill_the_disk_and_what_is_deleted_makes_room(element: Any) -> None:
    element.start()
    with element.client() as client, users_of(element) as (user,):
        before = info(client)["available_bytes"]
        fill(client, user)
        assert not user.put(MIB)
        user.put_in_parts(300_000)
        full = info(client)
        assert full["available_bytes"] < 64 * 1024
        assert sum(len(file.data) for file in user.files.values()) == full["used_bytes"] > before * 0.85
        assert client.get("/health/ready").status_code == 200
        # What makes room again, and what needs next to none, is possible: that is what the headroom is for.
        assert user.patch_one()
        for _ in range(10):
            assert user.delete_one()
        user.check()
        largest = max(user.files, key=lambda file_id: len(user.files[file_id].data))
        size = len(user.files[largest].data)
        assert client.delete(f"/api/v1/files/{largest}").status_code == 204
        del user.files[largest]
        user.deleted.add(largest)
        wait_until(lambda: user.put(size - MIB))
        check_list(client, [user])
    element.kill()
    element.start()
    assert staged(element) == user.names_in_staging()
    with element.client() as client, once_more(element, user) as again:
        again.check()
        check_list(client, [again])


def test_stranger_takes_every_byte_while_everything_goes_on(element: Any, disk: Path) -> None:
    element.start()
    with element.client() as client, users_of(element, USERS) as users, ThreadPoolExecutor(USERS) as threads:
        for user in users:
            for size in (0, 100, 10_000, 70_000, 500_000):
                assert user.put(size)
        stop = threading.Event()
        working = [threads.submit(user.work, stop) for user in users]
        try:
            for wave in range(2):
                with Stranger(disk):
                    # Time for users to run into it; the wave is the test's subject, not a wait for something.
                    stop.wait(1.0)
                    assert info(client)["available_bytes"] < 4 * MIB  # what a log gives back is not taken at once
                    assert client.get("/health/ready").status_code == 200, wave
                stop.wait(0.3)
        finally:
            stop.set()
            for done in working:
                done.result(30)
        with Stranger(disk):
            assert not any(user.put(100_000) for user in users)
            for user in users:
                user.patch_one()
                user.delete_one()
                user.check()  # reads go on
            check_list(client, users, may_wait=True)
            wait_until(lambda: info(client)["available_bytes"] == 0)
            if users[0].half:
                users[0].abort(next(iter(users[0].half)))
        wait_until(users[0].delete_one)  # by itself
        wait_until(lambda: users[0].put(500_000))
        for user in users:
            for upload_id in list(user.half):
                assert user.finish(upload_id)
            assert user.patch_one()
            assert user.delete_one()
            user.check()
        make_checkpoint(client)
        check_list(client, users)
        told = sum((user.answers for user in users), start=Counter())
        assert {what for what, status in told if status == 507} >= {"put", "append", "patch", "delete"}, told
    assert element.end(signal.SIGTERM) == 0
    assert staged(element) == set()
    assert verified(element)["ok"]


def test_start_on_a_full_disk_without_a_log_serves_what_there_is(element: Any, disk: Path) -> None:
    element.start()
    with element.client() as client, users_of(element) as (user,):
        for size in (0, 100, 70_000, MIB):
            assert user.put(size)
        user.put_in_parts(400_000, whole=False)
        make_checkpoint(client)
    with Stranger(disk):
        for end in (signal.SIGTERM, signal.SIGKILL):
            element.end(end)
            element.start()
        with element.client() as client, once_more(element, user) as again:
            again.check()
            check_list(client, [again])
            assert info(client)["available_bytes"] == 0
            assert not again.put(100)
            assert not again.put(100_000)
            again.patch_one()
            again.check()
    with element.client() as client, once_more(element, user) as last:
        wait_until(lambda: last.put(100_000))
        assert last.patch_one()
        make_checkpoint(client)
        check_list(client, [last])


def test_start_on_a_full_disk_with_a_log_waits_for_room(element: Any, disk: Path) -> None:
    """What was acknowledged must be put into its place before anybody is answered, and that takes room. Until then the
    element says 503, and never that a file is not there."""
    element.environment |= {"SE_CHECKPOINT_SECONDS": "3600", "SE_CHECKPOINT_BYTES": str(64 * MIB)}
    element.start()
    with users_of(element) as (user,):
        for size in (0, 100, 10_000, 70_000, MIB):
            assert user.put(size)
        for _ in range(5):
            assert user.patch_one()
        assert user.delete_one()
        user.put_in_parts(300_000, whole=False)
    with Stranger(disk):
        element.kill()
        element.start(ready=False)
        element.wait_for(503)
        with element.client() as client:
            ready = client.get("/health/ready").json()
            assert ready["dependencies"]["data_root"]["status"] == "fail"
            wait_until(lambda: "full" in client.get("/health/ready").text)
            for path in ("/api/v1/info", "/api/v1/files", *(f"/api/v1/files/{file_id}" for file_id in user.files)):
                answer = client.get(path)
                assert (answer.status_code, answer.json()["error"]["code"]) == (503, "STORAGE_UNAVAILABLE")
    element.wait_for(200)
    assert staged(element) == user.names_in_staging()
    with element.client() as client, once_more(element, user) as again:
        again.check()
        check_list(client, [again])
        assert again.half
        for upload_id in list(again.half):
            assert again.finish(upload_id)
        again.check()


def test_start_on_a_full_disk_with_a_log_takes_the_ballast(element: Any, disk: Path) -> None:
    element.environment |= {
        "SE_CHECKPOINT_SECONDS": "3600",
        "SE_CHECKPOINT_BYTES": str(64 * MIB),
        "SE_BALLAST_BYTES": str(8 * MIB),
    }
    ballast = element.root / "ballast"
    element.start()
    with users_of(element) as (user,):
        for _ in range(40):
            assert user.put(60_000)
        assert user.patch_one()
    wait_until(ballast.exists)
    element.kill()
    # Where nothing was put into its place yet, as after a power cut.
    for path in (element.root / "files").rglob("*.data"):
        path.unlink()
    with filled(disk):
        element.start()
        assert not ballast.exists()
        with element.client() as client, once_more(element, user) as again:
            again.check()
            check_list(client, [again])
    assert "the ballast was given up" in element.log.read_text()
