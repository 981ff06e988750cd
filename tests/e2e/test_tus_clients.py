"""Unmodified tus clients through the gateway: each is cut in the middle, resumes, and the checksum is right."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from tus_clients import MIB, Target, TusJs, curl, encoded, header, installed_tus_js, tuspy
from world import World, sha256, within

pytestmark = pytest.mark.e2e
SIZE = 24 * MIB + 17


@pytest.fixture
def target(world: World) -> Target:
    return Target(f"{world.gateway}/api/v1/uploads", world.bearer()["Authorization"].removeprefix("Bearer "))


@pytest.fixture(scope="module")
def tus_js(tmp_path_factory: pytest.TempPathFactory) -> TusJs:
    return installed_tus_js(tmp_path_factory.mktemp("tus-js"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "большой файл.bin"
    path.write_bytes(os.urandom(SIZE))
    return path


def check(world: World, url: str, file: Path, **told: Any) -> None:
    """The file is what was sent, registered and to be had by the upload's id."""
    file_id, content = url.rpartition("/")[2], file.read_bytes()
    state = world.http.get(url, headers=world.bearer()).json()
    assert state["status"] == "complete"
    assert state["file"]["checksum"] == sha256(content)
    assert {name: state["file"][name] for name in told} == told
    back = world.download(file_id)
    assert (back.status_code, sha256(back.content)) == (200, sha256(content))


def test_tuspy(world: World, target: Target, file: Path) -> None:
    said = {"filename": "ю.bin", "tags": "a,b", "retention_policy": "temporary"}
    with tuspy(target, file, 5 * MIB, **said) as uploader:
        uploader.upload(stop_at=10 * MIB)
        assert uploader.offset == 10 * MIB
    with tuspy(target, file, 5 * MIB, url=uploader.url) as again:
        assert again.offset == 10 * MIB
        again.upload()
    check(world, uploader.url, file, original_filename="ю.bin", tags=["a", "b"], retention_policy="temporary")


def test_tuspy_with_an_empty_file(world: World, target: Target, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    with tuspy(target, tmp_path / "empty", MIB) as uploader:
        uploader.upload()
    check(world, uploader.url, tmp_path / "empty", size=0)


def test_curl_by_hand(world: World, target: Target, file: Path) -> None:
    begun = curl(
        target, target.endpoint, "-X", "POST", "-H", f"Upload-Length: {SIZE}",
        "-H", f"Upload-Metadata: {encoded(filename='руками.bin')}",
    )  # fmt: skip
    url = urljoin(target.endpoint, header(begun, "location"))
    body = ["-X", "PATCH", "-H", "Content-Type: application/offset+octet-stream", "-T", str(file)]
    cut = ["--limit-rate", "6M", "--max-time", "1.5"]
    with pytest.raises(AssertionError, match="timed out"):
        curl(target, url, *body, "-H", "Upload-Offset: 0", *cut)
    offset = int(header(curl(target, url, "--head"), "upload-offset"))
    assert 0 < offset < SIZE
    rest = file.with_name("rest")
    rest.write_bytes(file.read_bytes()[offset:])
    answer = curl(target, url, *body[:-1], str(rest), "-H", f"Upload-Offset: {offset}")
    assert "HTTP/1.1 204" in answer
    assert header(answer, "location") == f"/api/v1/files/{url.rpartition('/')[2]}"
    check(world, url, file, original_filename="руками.bin")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunkSize": 4 * MIB},
        {"chunkSize": 4 * MIB, "uploadDataDuringCreation": True},
        {"parallelUploads": 4},
    ],
    ids=lambda options: " ".join(options) or "plain",
)
def test_tus_js_client_is_killed_and_goes_on(
    world: World, target: Target, tus_js: TusJs, file: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    storage = tmp_path / "urls.json"
    named = {"filename": "из js.bin", "filetype": "image/png"}
    code, said = tus_js.run(target, file, storage, metadata=named, dieAfter=12 * MIB, **options)
    assert (code, said) == (-9, {})
    code, said = tus_js.run(target, file, storage, metadata=named, **options)
    assert (code, said.get("resumed")) == (0, True), said
    check(world, said["url"], file, original_filename="из js.bin", content_type="application/octet-stream")


def test_tus_js_client_with_a_length_told_later(
    world: World, target: Target, tus_js: TusJs, file: Path, tmp_path: Path
) -> None:
    code, said = tus_js.run(target, file, tmp_path / "urls.json", chunkSize=4 * MIB, uploadLengthDeferred=True)
    assert code == 0, said
    check(world, said["url"], file, original_filename="unnamed")


def test_ingester_is_killed_in_the_middle_of_a_request(world: World, target: Target, file: Path) -> None:
    """The next one, a new process, goes on where the element has it."""
    with tuspy(target, file, 5 * MIB, filename="a.bin") as uploader:
        uploader.upload(stop_at=5 * MIB)
    slow = subprocess.Popen(
        ["curl", "-sS", "-X", "PATCH", "--limit-rate", "3M", "-T", "-", "-o", os.devnull, uploader.url,
         "-H", f"Authorization: Bearer {target.token}", "-H", "Tus-Resumable: 1.0.0",
         "-H", f"Upload-Offset: {5 * MIB}", "-H", "Content-Type: application/offset+octet-stream"],
        stdin=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert slow.stdin is not None
    slow.stdin.write(file.read_bytes()[5 * MIB : 9 * MIB])
    slow.stdin.flush()
    within(20, lambda: offset_of(world, uploader.url) >= 7 * MIB, "bytes are on the element")
    os.kill(world.stack.pid("ingester"), 9)
    headers = world.bearer() | {"Tus-Resumable": "1.0.0"}
    seen: set[int] = set()

    def answers() -> bool:
        seen.add(world.http.head(uploader.url, headers=headers).status_code)
        return 200 in seen

    within(30, answers, "the upload is found again")
    assert seen <= {200, 423, 502, 503, 504}
    with tuspy(target, file, 5 * MIB, url=uploader.url) as again:
        assert 7 * MIB <= again.offset <= 9 * MIB
        again.upload()
    check(world, uploader.url, file)
    slow.kill()
    slow.communicate()


def offset_of(world: World, url: str) -> int:
    return int(world.http.get(url, headers=world.bearer()).json()["offset"])
