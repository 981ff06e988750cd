"""Programs that people download with: they take up again where they were cut, and ask for the parts they need."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from between import Between, between
from programs import output, program, run
from world import World

pytestmark = pytest.mark.e2e
MIB = 1024 * 1024
SIZE = 16 * MIB + 4711
CUT = 5 * MIB
CURL_PARTIAL = 18


@pytest.fixture(scope="module")
def content() -> bytes:
    return os.urandom(SIZE)


@pytest.fixture(scope="module")
def file_id(world: World, content: bytes) -> str:
    return str(world.uploaded(content, "archive.bin")["file_id"])


def by_token(there: Between, file_id: str) -> str:
    return f"{there.url}/api/v1/files/{file_id}/download"


def by_link(there: Between, world: World, file_id: str) -> str:
    return f"{there.url}/api/v1/links/download?{world.link(file_id).partition('?')[2]}"


def authorization(world: World) -> str:
    return f"Authorization: {world.bearer()['Authorization']}"


@pytest.mark.parametrize("link", [False, True], ids=["token", "link"])
def test_curl_goes_on_after_a_cut(world: World, content: bytes, file_id: str, tmp_path: Path, link: bool) -> None:
    back = tmp_path / "back"
    with between(world.gateway, cut_after=CUT, cuts=1) as there:
        url = by_link(there, world, file_id) if link else by_token(there, file_id)
        asked = ("-sS", "-f", "-o", back, *(() if link else ("-H", authorization(world))), url)
        assert run("curl", *asked).returncode == CURL_PARTIAL
        held = back.stat().st_size
        assert 0 < held < CUT
        output("curl", "-C", "-", *asked)
    assert back.read_bytes() == content
    assert there.ranges == [f"bytes={held}-"]


@pytest.mark.parametrize("link", [False, True], ids=["token", "link"])
def test_wget_goes_on_after_cuts_by_itself(
    world: World, content: bytes, file_id: str, tmp_path: Path, link: bool
) -> None:
    back = tmp_path / "back"
    with between(world.gateway, cut_after=CUT, cuts=2) as there:
        url = by_link(there, world, file_id) if link else by_token(there, file_id)
        given = () if link else (f"--header={authorization(world)}",)
        output("wget", "-c", "-nv", "--no-proxy", "--waitretry=0", "--tries=5", *given, "-O", back, url)
    assert back.read_bytes() == content
    assert len(there.ranges) == 2


@pytest.mark.parametrize("link", [False, True], ids=["token", "link"])
def test_aria2_takes_eight_parts_at_once(
    world: World, content: bytes, file_id: str, tmp_path: Path, link: bool
) -> None:
    with between(world.gateway) as there:
        url = by_link(there, world, file_id) if link else by_token(there, file_id)
        given = () if link else (f"--header={authorization(world)}",)
        output("aria2c", "-x8", "-s8", "-k1M", "--no-conf", "--file-allocation=none", "--enable-dht=false",
               "--console-log-level=error", "--max-overall-download-limit=16M", *given, "-d", tmp_path, "-o", "back", url)  # fmt: skip
    assert (tmp_path / "back").read_bytes() == content
    # How many it comes to is aria2's: a connection that is done with its part takes over another's.
    assert len({asked.partition("-")[0] for asked in there.ranges}) >= 2


def test_rclone_takes_parts_side_by_side(world: World, content: bytes, file_id: str, tmp_path: Path) -> None:
    back = tmp_path / "back"
    with between(world.gateway) as there:
        store = ("--config", os.devnull, "--http-url", there.url, "--http-headers", rclone_header(world))
        remote = f":http:api/v1/files/{file_id}/download"
        parts = ("--multi-thread-streams", "4", "--multi-thread-cutoff", "1M", "--multi-thread-chunk-size", "4M")
        output("rclone", "copyto", *store, *parts, remote, back)
    assert back.read_bytes() == content
    assert len(there.ranges) >= 4


def rclone_header(world: World) -> str:
    return f"Authorization,{world.bearer()['Authorization']}"


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of MP4 whose index stands at its end: whoever plays it must seek."""
    path = tmp_path_factory.mktemp("film") / "фильм.mp4"
    output("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=10:duration=60",
           "-c:v", "mpeg4", "-b:v", "3M", "-g", "10", "-threads", "1", path)  # fmt: skip
    return path


def frame(source: str | Path, second: int) -> bytes:
    """The picture at that second, as an MD5 of its pixels."""
    return output("ffmpeg", "-v", "error", "-ss", str(second), "-i", source, "-frames:v", "1", "-f", "md5", "-")


def test_ffmpeg_seeks_in_a_film_behind_a_link(world: World, film: Path) -> None:
    program("ffprobe")
    size = film.stat().st_size
    file = world.uploaded(film.read_bytes(), film.name)
    assert file["content_type"] == "video/mp4"
    with between(world.gateway) as there:
        url = by_link(there, world, file["file_id"])
        probed = output("ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", url)
        assert float(probed) == pytest.approx(60, abs=0.5)
        index_at = max(int(re.findall(r"\d+", asked)[0]) for asked in there.ranges)
        assert index_at > size * 0.9
        for second in (45, 10):
            assert frame(url, second) == frame(film, second)
        seeks = {int(re.findall(r"\d+", asked)[0]) for asked in there.ranges}
        assert any(size * 0.6 < start < size * 0.9 for start in seeks)
