"""ArtStore itself: a whole stack, seen through its gateway."""

from __future__ import annotations

import base64
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from artstore_core.scopes import Scope
from artstore_stack import Stack
from artstore_stack.parts import Part

from bench.storage_load import ID, SMALL_BYTES, Run, children_cpu, curl
from bench.transfers_target import HOT_FILES, Stored, request

_BOUNDARY = "artstore-bench-boundary"
_UPLOADS = "/api/v1/uploads"
_LISTED = 1000
_PARTS_AT_ONCE = 4
LIMITS = {
    "IG_MAX_UPLOAD_BYTES": str(4 * 1024**3),
    "SE_MAX_UPLOAD_BYTES": str(4 * 1024**3),
    "QM_REQUESTS_PER_SECOND": "0",
    "QM_DOWNLOADS_AT_ONCE": "0",
    "IG_MAX_UPLOADS_PER_PRINCIPAL": "0",
}
"""What a client of one account is not to meet here; all else is as `make up` has it."""


@contextmanager
def artstore(directory: Path, port_base: int) -> Iterator[ArtStore]:
    stack = Stack(directory / "artstore", port_base, {**os.environ, **LIMITS})
    stack.up()
    try:
        yield ArtStore(stack, directory)
    finally:
        stack.reset()


class ArtStore:
    """A target. Big files are temporary ones, on an element that deletes; small ones are permanent."""

    name = "artstore"

    def __init__(self, stack: Stack, directory: Path) -> None:
        self._stack, self._directory = stack, directory
        self.url = str(stack.credentials["gateway"])
        self._host = httpx.URL(self.url).netloc.decode()

    @property
    def ways(self) -> tuple[str, ...]:
        return ("single", "tus", "parts") if self._has_parts() else ("single", "tus")

    def processes(self) -> Mapping[str, int]:
        return {part.value: self._stack.pid(part) for part in Part}

    def big_up(self, way: str, source: Path) -> tuple[Run, str]:
        if way == "tus":
            return self._tus(source)
        if way == "parts":
            return self._parts(source)
        answer = self._directory / "answer"
        form = ["-F", "retention_policy=temporary", "-F", f"file=@{source};filename=big.bin"]
        run = curl(
            [["-H", "Expect:", *self._bearer(), *form, f"{self.url}/api/v1/files/upload"]],
            source.stat().st_size,
            bodies=[answer],
        )
        return run, str(httpx.Response(200, content=answer.read_bytes()).json()["file_id"])

    def big_down(self, stored: str, size: int, streams: int) -> Run:
        fetch = [*self._bearer(), f"{self.url}/api/v1/files/{stored}/download"]
        return curl([fetch] * streams, size * streams)

    def remove(self, stored: str) -> None:
        self._call("DELETE", f"/api/v1/files/{stored}")

    def small_up(self) -> bytes:
        mark = f"--{_BOUNDARY}"
        part = f'{mark}\r\nContent-Disposition: form-data; name="file"; filename="scan-{ID}.bin"\r\n\r\n'
        body = part.encode() + os.urandom(SMALL_BYTES) + f"\r\n{mark}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}", **self._headers()}
        length = len(body) - len(ID) + len(str(UUID(int=0)))
        return request("POST", "/api/v1/files/upload", self._host, headers, body, length)

    def small_down(self) -> bytes:
        return request("GET", f"/api/v1/files/{ID}/download", self._host, self._headers())

    def hot(self) -> Stored:
        with httpx.Client(base_url=self.url, headers=self._headers(), timeout=30) as client:
            answers = [
                client.post("/api/v1/files/upload", files={"file": ("hot.bin", os.urandom(SMALL_BYTES))})
                for _ in range(HOT_FILES)
            ]
        return self._listed("hot", [answer.raise_for_status().json()["file_id"] for answer in answers])

    def registered(self) -> int:
        """How many files search finds."""
        answer = self._call("POST", "/api/v1/search", json={"limit": 1, "exact_total": True})
        return int(answer.json()["total"])

    def first_seen(self) -> Stored:
        """All small files that were ever uploaded, the newest first, when query knows none of them."""
        found: list[str] = []
        wanted: dict[str, Any] = {"limit": _LISTED, "retention_policy": "permanent"}
        while True:
            page = self._call("POST", "/api/v1/search", json=wanted).json()
            found += [item["file_id"] for item in page["items"]]
            if not page.get("next_cursor"):
                break
            wanted["cursor"] = page["next_cursor"]
        self._stack.stop(Part.QUERY)
        self._stack.start(Part.QUERY)
        return self._listed("first-seen", found)

    def _listed(self, name: str, ids: list[str]) -> Stored:
        path = self._directory / f"ids-{name}"
        path.write_text("".join(f"{one}\n" for one in ids))
        return Stored(path, len(ids))

    def _tus(self, source: Path) -> tuple[Run, str]:
        """One POST, and one PATCH with all of it."""
        size, started = source.stat().st_size, time.perf_counter()
        metadata = {"filename": "big.bin", "retention_policy": "temporary"}
        told = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in metadata.items())
        headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(size), "Upload-Metadata": told}
        url = str(httpx.URL(self.url).join(self._call("POST", _UPLOADS, headers=headers).headers["location"]))
        named = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        shown = [part for name, value in named.items() for part in ("-H", f"{name}: {value}")]
        run = curl([["-X", "PATCH", "-T", str(source), "-H", "Expect:", *shown, *self._bearer(), url]], size)
        return replace(run, seconds=time.perf_counter() - started), url.rsplit("/", 1)[1]

    def _parts(self, source: Path) -> tuple[Run, str]:
        """Four at a time, by one curl; the pieces of the file lie ready."""
        begin = {"filename": "big.bin", "size": source.stat().st_size, "retention_policy": "temporary"}
        pieces = _pieces(source, self._call("POST", _UPLOADS, json=begin).json()["part_size"])
        started, before = time.perf_counter(), children_cpu()
        upload = self._call("POST", _UPLOADS, json=begin).json()["upload_id"]
        asked = {"part_numbers": list(range(1, len(pieces) + 1))}
        urls = self._call("POST", f"{_UPLOADS}/{upload}/parts", json=asked).json()["parts"]
        sent = [(pieces[part["part_number"] - 1], part["url"]) for part in urls]
        command = ["--fail", "--parallel", "--parallel-max", str(_PARTS_AT_ONCE), "-H", "Expect:"]
        command += [word for piece, url in sent for word in ("-T", str(piece), "-o", os.devnull, url)]
        subprocess.run(["curl", "-sSk", "--http1.1", *command], check=True)
        state = self._call("GET", f"{_UPLOADS}/{upload}").json()
        told = [{"part_number": part["part_number"], "etag": part["etag"]} for part in state["parts"]]
        file = self._call("POST", f"{_UPLOADS}/{upload}/complete", json={"parts": told}, timeout=300).json()
        size = source.stat().st_size
        return Run(size, time.perf_counter() - started, children_cpu() - before), str(file["file_id"])

    def _has_parts(self) -> bool:
        answer = httpx.post(
            f"{self.url}{_UPLOADS}", headers=self._headers(), json={"filename": "a.bin", "size": 1}, timeout=30
        )
        return answer.is_success

    def _call(self, method: str, path: str, **given: Any) -> httpx.Response:
        headers = {**self._headers(), **given.pop("headers", {})}
        answer = httpx.request(method, self.url + path, headers=headers, **{"timeout": 60, **given})
        return answer.raise_for_status()

    def _bearer(self) -> list[str]:
        return [part for name, value in self._headers().items() for part in ("-H", f"{name}: {value}")]

    def _headers(self) -> dict[str, str]:
        """A token of this minute: they live for fifteen."""
        account = self._stack.credentials["service_accounts"]["client"]
        answer = httpx.post(
            f"{self.url}/api/v1/auth/token",
            data={"grant_type": "client_credentials", "scope": f"{Scope.FILES_READ.value} {Scope.FILES_WRITE.value}"},
            auth=(account["client_id"], account["client_secret"]),
            timeout=30,
        )
        return {"Authorization": f"Bearer {answer.raise_for_status().json()['access_token']}"}


def _pieces(source: Path, size: int) -> list[Path]:
    found: list[Path] = []
    with source.open("rb") as file:
        while content := file.read(size):
            found.append(source.with_name(f"{source.name}-part-{len(found) + 1}"))
            found[-1].write_bytes(content)
    return found
