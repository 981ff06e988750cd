"""`artstore upload` through TLS and Envoy, killed and cut in the middle: it goes on, and sends little twice (U1, U6)."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from artstore_client import ArtStore, Config, UploadPolicy
from rough_upload import MIB, Storm, Trouble, Uploader, make_file, sha256_of, staged, stored_at, upload_in
from world import World, within

pytestmark = pytest.mark.e2e
ELEMENT = "se-rw-1"
SIZE = 96 * MIB + 17
CHUNK = 17 * MIB
"""What one request brings for a file of this size in six parts."""
CUTS: list[Trouble] = [(0.3, "client killed", Storm.kill_client), (0.6, "line cut", lambda storm: storm.offline(0.2))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path


@pytest.fixture
def tidy(world: World) -> Iterator[None]:
    """Nothing may be left in staging. (The element clears it a moment after it acknowledged a file.)

    Not where a client is killed: an upload whose id had not come back to it is left to expire.
    """
    before = set(staged(world.stack, ELEMENT))
    yield
    within(60, lambda: set(staged(world.stack, ELEMENT)) <= before, "nothing is left in staging")


def states(folder: Path) -> list[str]:
    """What the client remembers."""
    return sorted(path.name for path in (folder / "home" / ".cache" / "artstore" / "uploads").iterdir())


@pytest.mark.parametrize(("parts", "streams", "chunk"), [("6", 6, CHUNK), ("1", 1, 32 * MIB)])
def test_killed_client_and_cut_line(world: World, folder: Path, parts: str, streams: int, chunk: int) -> None:
    path = folder / "большой.bin"
    checksum = make_file(path, SIZE)
    outcome = upload_in(CUTS, world.stack, path, folder / "home", "--parts", parts)
    assert outcome.file["checksum"] == checksum
    assert outcome.file["original_filename"] == "большой.bin"
    assert sha256_of(stored_at(world.stack, ELEMENT, outcome.file["file_id"])) == checksum
    assert outcome.runs == 2
    assert outcome.again <= len(CUTS) * streams * chunk
    assert states(folder) == []


def test_file_that_changes_while_its_upload_is_cut_is_sent_anew(world: World, folder: Path) -> None:
    path = folder / "changing.bin"
    make_file(path, SIZE)
    changed: list[str] = []

    def change(storm: Storm) -> None:
        storm.client.kill()
        with path.open("r+b") as file:
            file.write(b"other bytes, and as many")
        changed.append(sha256_of(path))
        storm.client.start()

    outcome = upload_in([(0.5, "client killed, file changed", change)], world.stack, path, folder / "home")
    assert outcome.file["checksum"] == changed[0]
    assert "changed since its upload was cut" in (folder / "home" / "stderr").read_text()


@pytest.mark.usefixtures("tidy")
def test_file_that_changes_while_it_is_sent_is_not_stored(world: World, folder: Path) -> None:
    path = folder / "torn.bin"
    make_file(path, SIZE)

    def change(_: Storm) -> None:
        with path.open("r+b") as file:
            file.write(b"torn")
        os.utime(path, ns=(1, 1))

    with pytest.raises(AssertionError, match="changed while it was uploaded"):
        upload_in([(0.5, "file changed", change)], world.stack, path, folder / "home")
    found = world.search(query="torn.bin", mode="exact").json()
    assert found["total"] == 0
    assert states(folder) == []


@pytest.mark.usefixtures("tidy")
def test_same_command_twice_at_once_is_refused(world: World, folder: Path) -> None:
    path = folder / "twice.bin"
    make_file(path, SIZE)
    said: list[str] = []

    def second(storm: Storm) -> None:
        assert storm.client.process
        storm.client.process.send_signal(signal.SIGSTOP)  # it holds its lock, and cannot be done too soon
        storm.link.release()
        again = Uploader(storm.stack, storm.link.port, path, folder / "home")
        again.start()
        assert again.process
        out, _ = again.process.communicate()
        said.append(out)
        assert again.process.returncode == 1
        storm.client.process.send_signal(signal.SIGCONT)

    upload_in([(0.1, "typed twice", second)], world.stack, path, folder / "home")
    assert "AlreadyUploading" in said[0]


def test_client_killed_between_the_last_answer_and_its_own_memory_makes_no_second_file(
    world: World, folder: Path
) -> None:
    path = folder / "once.bin"
    make_file(path, SIZE)
    client_id, secret = world.account("client")
    policy = UploadPolicy(state_dir=folder / "states")
    config = Config(world.gateway, client_id, secret, uploads=policy)
    memory: dict[Path, str] = {}

    def remember(done: int, total: int | None) -> None:
        if done == total:
            memory.update({one: one.read_text() for one in (folder / "states").glob("*.json")})

    sent: list[int] = []
    with ArtStore(config) as store:
        first = store.upload(path, on_progress=remember)
        for where, content in memory.items():
            where.write_text(json.dumps(json.loads(content) | {"joining": True}))
        again = store.upload(path, on_progress=lambda done, _: sent.append(done))
    assert len(memory) == 1
    assert (again.file_id, again.checksum, sent) == (first.file_id, first.checksum, [])
