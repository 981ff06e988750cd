"""Signed parts through the gateway, with plain curl: straight to the element, any order, some twice, and back as it was."""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from world import World, sha256

pytestmark = pytest.mark.e2e
MIB = 1024 * 1024


class Curl:
    """One request each. Gives status, headers in lower case, and the body."""

    def __init__(self, world: World) -> None:
        self._ca, self._uploads = world.ca, f"{world.gateway}/api/v1/uploads"
        self._token = world.bearer()["Authorization"]

    def __call__(self, *arguments: str) -> tuple[int, dict[str, str], bytes]:
        told = ["-w", "%{stderr}%{http_code}\n%{header_json}"]
        command = ["curl", "-s", "--cacert", self._ca, "--max-time", "120", *told, *arguments]
        # Over HTTP/2 a refusal is followed by RST_STREAM where the body was not taken yet. curl 7.88 at times drops the
        # answer for it (exit 92, status 000), which RFC 9113 §8.1 forbids; by HTTP/1.1 it never does, so it is asked by that then.
        for otherwise in ([], ["--http1.1"]):
            done = subprocess.run([*command, *otherwise], capture_output=True, check=False)
            status, _, headers = done.stderr.decode().partition("\n")
            if int(status):
                break
        return int(status), {name: values[0] for name, values in json.loads(headers).items()}, done.stdout

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Of the API, in JSON."""
        sent = [] if body is None else ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        status, _, answer = self("-X", method, "-H", f"Authorization: {self._token}", *sent, self._uploads + path)
        return status, json.loads(answer) if answer else None

    def put(self, url: str, file: Path) -> tuple[int, dict[str, str], bytes]:
        return self("-T", str(file), url)


@pytest.fixture
def curl(world: World) -> Curl:
    return Curl(world)


def begun(curl: Curl, content: bytes, directory: Path) -> tuple[str, list[Path]]:
    """An upload, and its parts as files."""
    status, upload = curl.ask("POST", "", {"filename": "фильм.bin", "size": len(content), "tags": ["parts"]})
    assert status == 201, upload
    size, files = upload["part_size"], []
    for offset in range(0, len(content), size):
        files.append(directory / f"part-{offset}")
        files[-1].write_bytes(content[offset : offset + size])
    return upload["upload_id"], files


def urls(curl: Curl, upload_id: str, count: int) -> list[str]:
    status, signed = curl.ask("POST", f"/{upload_id}/parts", {"part_numbers": list(range(1, count + 1))})
    assert status == 200, signed
    return [part["url"] for part in signed["parts"]]


def test_parts_go_past_the_ingester_and_make_the_file(world: World, curl: Curl, tmp_path: Path) -> None:
    content = os.urandom(40 * MIB + 17)
    upload_id, files = begun(curl, content, tmp_path)
    signed = urls(curl, upload_id, len(files))
    with ThreadPoolExecutor(len(files)) as threads:
        answers = list(threads.map(curl.put, reversed(signed), reversed(files)))
    assert [status for status, _, _ in answers] == [200] * len(files), answers
    etags = [headers["etag"] for _, headers, _ in reversed(answers)]
    assert etags == [f'"{sha256(file.read_bytes())}"' for file in files]
    assert curl.put(signed[1], files[1])[:1] == (200,)  # once more
    status, state = curl.ask("GET", f"/{upload_id}")
    assert (status, state["offset"], len(state["parts"])) == (200, len(content), len(files))
    sent = [{"part_number": number, "etag": etag} for number, etag in enumerate(etags, start=1)]
    status, file = curl.ask("POST", f"/{upload_id}/complete", {"parts": sent, "sha256": sha256(content)})
    assert (status, file["checksum"]) == (201, sha256(content)), file
    assert curl.ask("POST", f"/{upload_id}/complete", {"parts": sent})[1] == file
    assert sha256(world.download(upload_id).content) == sha256(content)


def test_url_opens_its_part_and_nothing_else(world: World, curl: Curl, tmp_path: Path) -> None:
    upload_id, (file,) = begun(curl, b"hello", tmp_path)
    (url,) = urls(curl, upload_id, 1)
    path, _, ticket = url.partition("?")
    token = world.bearer()["Authorization"]
    refused = {
        "no ticket": curl("-T", str(file), "-H", f"Authorization: {token}", path)[0],
        "another method": curl("-X", "POST", "-d", "x", url)[0],
        "reading": curl(url)[0],
        "the upload": curl("-X", "DELETE", f"{path.rpartition('/parts/')[0]}?{ticket}")[0],
        "another part": curl("-T", str(file), f"{path.rpartition('/')[0]}/2?{ticket}")[0],
    }
    assert all(400 <= status < 500 for status in refused.values()), refused
    status, headers, body = curl.put(url, file)
    assert (status, json.loads(body)["etag"]) == (200, headers["etag"])
    told = json.dumps(headers).encode() + body + url.encode()
    assert not [name for name in world.credentials["storage_elements"] if name.encode() in told]
    assert curl.ask("DELETE", f"/{upload_id}") == (204, None)
    assert curl.put(url, file)[0] == 404
