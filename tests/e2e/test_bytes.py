"""What comes out is what went in, in any size, at any pace."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from world import World, pdf, sha256

pytestmark = pytest.mark.e2e
MIB = 1024 * 1024
BIG = 256 * MIB
ALLOWED_GROWTH = 64 * MIB
PYTHON_PARTS = ("admin", "se-edit-1", "se-rw-1", "ingester", "query", "render")


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, MIB - 1, MIB, MIB + 1, 3 * MIB + 17])
def test_bytes_come_back_as_they_went_in(world: World, size: int) -> None:
    content = os.urandom(size)
    file = world.uploaded(content, f"{size}.bin")
    back = world.download(file["file_id"])
    assert back.content == content
    assert back.headers["etag"] == f'"{sha256(content)}"'
    assert int(back.headers["content-length"]) == size


def test_temporary_and_permanent_files_go_their_ways(world: World) -> None:
    kept = world.uploaded(pdf("kept"))
    passing = world.uploaded(pdf("passing"), retention_policy="temporary", ttl_days="3")
    assert (kept["retention_policy"], kept["expires_at"]) == ("permanent", None)
    assert (passing["retention_policy"], passing["ttl_days"]) == ("temporary", 3)
    rows = {
        row["file_id"]: row["storage_element_id"]
        for row in world.http.get(
            f"{world.gateway}/api/v1/registry/files?limit=1000", headers=world.bearer("operator")
        ).json()["items"]
    }
    assert (rows[kept["file_id"]], rows[passing["file_id"]]) == ("se-rw-1", "se-edit-1")


def test_range_and_conditions_pass_the_whole_way(world: World) -> None:
    content = os.urandom(2 * MIB)
    file_id = world.uploaded(content, "a.bin")["file_id"]
    part = world.download(file_id, Range="bytes=1000-1999")
    assert (part.status_code, part.content) == (206, content[1000:2000])
    assert part.headers["content-range"] == f"bytes 1000-1999/{2 * MIB}"
    assert world.download(file_id, **{"If-None-Match": part.headers["etag"]}).status_code == 304
    beyond = world.download(file_id, Range=f"bytes={2 * MIB}-")
    assert (beyond.status_code, beyond.json()["error"]["code"]) == (416, "INVALID_RANGE")
    assert beyond.headers["content-range"] == f"bytes */{2 * MIB}"
    head = world.http.head(f"{world.gateway}/api/v1/files/{file_id}/download", headers=world.bearer())
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(2 * MIB), b"")


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("big") / "big.bin"
    with path.open("wb") as file:
        for _ in range(BIG // MIB):
            file.write(os.urandom(MIB))
    return path


def memory(world: World) -> dict[str, int]:
    """Bytes that each Python process of the stack holds now."""
    return {part: psutil.Process(world.stack.pid(part)).memory_info().rss for part in PYTHON_PARTS}


def test_memory_does_not_grow_with_the_file(world: World, big: Path, tmp_path: Path) -> None:
    world.uploaded(os.urandom(8 * MIB), "warm.bin")
    before = memory(world)
    bearer = ["-H", f"Authorization: {world.bearer()['Authorization']}"]
    upload = subprocess.Popen(
        ["curl", "-sS", "-f", *bearer, "-F", f"file=@{big}", "-o", str(tmp_path / "answer"),
         f"{world.gateway}/api/v1/files/upload"]
    )  # fmt: skip
    peak = watch(world, upload)
    file = json.loads((tmp_path / "answer").read_text())
    url = f"{world.gateway}/api/v1/files/{file['file_id']}/download"
    download = subprocess.Popen(["curl", "-sS", "-f", *bearer, "-o", str(tmp_path / "back"), url])
    for part, held in watch(world, download).items():
        peak[part] = max(peak[part], held)
    growth = {part: peak[part] - before[part] for part in PYTHON_PARTS}
    assert max(growth.values()) < ALLOWED_GROWTH, growth
    compared = subprocess.run(["cmp", str(big), str(tmp_path / "back")], check=False)
    assert compared.returncode == 0


def watch(world: World, process: subprocess.Popen[bytes]) -> dict[str, int]:
    """The most that each part held while the process ran."""
    peak = memory(world)
    while process.poll() is None:
        for part, held in memory(world).items():
            peak[part] = max(peak[part], held)
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
    assert process.returncode == 0
    return peak


@pytest.fixture(scope="module", autouse=True)
def slow_reader(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[subprocess.Popen[bytes], Path, bytes]]:
    """Begins with the module, so that its minute passes beside the other tests."""
    content = os.urandom(60 * MIB)
    file = world.uploaded(content, "slow.bin")
    back = tmp_path_factory.mktemp("slow") / "back"
    url = f"{world.gateway}/api/v1/files/{file['file_id']}/download"
    authorization = f"Authorization: {world.bearer()['Authorization']}"
    reader = subprocess.Popen(["curl", "-sS", "-f", "--limit-rate", "1M", "-H", authorization, "-o", str(back), url])
    yield reader, back, content
    reader.kill()


def test_client_that_reads_for_a_minute_gets_its_whole_file(
    slow_reader: tuple[subprocess.Popen[bytes], Path, bytes],
) -> None:
    reader, back, content = slow_reader
    assert reader.wait(120) == 0
    assert sha256(back.read_bytes()) == sha256(content)
