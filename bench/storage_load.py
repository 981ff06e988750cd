"""The load: curl for the big files, wrk for many small ones. Both are C, so that the two cores go to the server."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uuid_utils

from bench.storage_servers import Server

_SCRIPT = Path(__file__).with_name("storage_load.lua")
ID_COUNT = 1_000_000
SMALL_BYTES = 10 * 1024
SEED_SECONDS = 2.0


@dataclass(frozen=True)
class Run:
    """What one load came to. `units`: bytes of a big file, or requests. Latencies only where there are many."""

    units: int
    seconds: float
    generator_cpu: float
    p50_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None

    @property
    def rate(self) -> float:
        return self.units / self.seconds


class Ids:
    """Real UUIDv7s, made before anything is measured, in a file that wrk's script reads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("w") as file:
            file.writelines(f"{uuid_utils.uuid7()}\n" for _ in range(ID_COUNT))

    def __getitem__(self, number: int) -> str:
        with self.path.open() as file:
            file.seek(number * 37)
            return file.read(36)


Names = Ids | Sequence[str]


def children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def big_upload(server: Server, ids: Names, source: Path, streams: int) -> Run:
    """Each stream sends `source` to an id of its own; done when the last was answered."""
    headers = [part for name, value in server.headers.items() for part in ("-H", f"{name}: {value}")]
    commands = [
        ["-T", str(source), "-H", "Expect:", *headers, server.url + server.put % ids[number]]
        for number in range(streams)
    ]
    return curl(commands, source.stat().st_size * streams)


def big_download(server: Server, ids: Names, size: int, streams: int) -> Run:
    headers = [part for name, value in server.headers.items() for part in ("-H", f"{name}: {value}")]
    return curl([[*headers, server.url + server.get % ids[number]] for number in range(streams)], size * streams)


def synced(upload: Run, directory: Path) -> Run:
    """The upload and then a flush of the whole filesystem: what the bytes cost a server that would promise them."""
    started = time.perf_counter()
    subprocess.run(["sync", "-f", str(directory)], check=True)
    return replace(upload, seconds=upload.seconds + time.perf_counter() - started)


def disk_write(directory: Path, source: Path, streams: int) -> Run:
    """The same bytes from the page cache to the same disk with fsync, no network and no hash: as fast as it can go."""

    def copy(number: int) -> None:
        with source.open("rb", buffering=0) as there, (directory / f"disk-{number}").open("wb", buffering=0) as here:
            while piece := there.read(1024 * 1024):
                here.write(piece)
            os.fsync(here.fileno())

    started = time.perf_counter()
    with ThreadPoolExecutor(streams) as pool:
        list(pool.map(copy, range(streams)))
    seconds = time.perf_counter() - started
    for number in range(streams):
        (directory / f"disk-{number}").unlink()
    return Run(source.stat().st_size * streams, seconds, 0.0)


def curl(commands: list[list[str]], total: int, bodies: Sequence[Path] = ()) -> Run:
    """All at the same time; done when the last was answered. Ends the program when one is refused or bytes are missing.

    `bodies`: where the answers go, if anybody wants them.
    """
    before, started = children_cpu(), time.perf_counter()
    shown = ["-w", "%{http_code} %{size_upload} %{size_download}"]
    kept = [str(path) for path in bodies] or [os.devnull] * len(commands)
    curls = [
        subprocess.Popen(["curl", "-sSk", "--http1.1", *shown, "-o", body, *command], stdout=subprocess.PIPE)
        for command, body in zip(commands, kept, strict=True)
    ]
    answers = [one.communicate()[0].decode().split() for one in curls]
    seconds = time.perf_counter() - started
    moved = sum(max(int(up), int(down)) for _, up, down in answers)
    if any(status not in {"200", "201", "204"} for status, _, _ in answers) or moved < total:
        raise SystemExit(f"a big file did not pass: {answers}")
    return Run(total, seconds, children_cpu() - before)


class Small:
    """10 KiB files through wrk, on connections that stay open. Every upload has an id of its own."""

    def __init__(self, server: Server, ids: Ids) -> None:
        self._server, self._ids, self._sent = server, ids, 0
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in server.headers.items())

    def upload(self, clients: int, seconds: float) -> Run:
        run = self._wrk("PUT", self._server.put, clients, seconds, ID_COUNT - self._sent)
        self._sent += run.units + clients
        if self._sent > ID_COUNT:
            raise SystemExit("not enough ids: two uploads had the same")
        return run

    def seed(self) -> None:
        """Files for `download`. By one client, so that all are there but the one that was under way at the end."""
        self._seeded = self.upload(1, SEED_SECONDS).units

    def download(self, clients: int, seconds: float) -> Run:
        self._sent = 0
        return self._wrk("GET", self._server.get, clients, seconds, self._seeded)

    def nothing(self, clients: int, seconds: float) -> Run:
        """The same uploads against a server that throws them away: what the generator alone costs."""
        return self._wrk("PUT", "/nothing/%s", clients, seconds, ID_COUNT)

    def _wrk(self, method: str, path: str, clients: int, seconds: float, count: int) -> Run:
        request = f"{method} {path % ID} HTTP/1.1\r\nHost: 127.0.0.1\r\n{self._headers}"
        body = b""
        if method == "PUT":
            request, body = f"{request}Content-Length: {SMALL_BYTES}\r\n", os.urandom(SMALL_BYTES)
        whole = f"{request}\r\n".encode() + body
        run = wrk(self._server.url, whole, self._ids.path, Load(clients, seconds, self._sent, count))
        if not run.units:
            raise SystemExit(f"{self._server.name} answered none of the requests")
        return run


@dataclass(frozen=True)
class Load:
    """`clients` connections for so many seconds; the ids from number `start` on, after `count` of them from there again."""

    clients: int
    seconds: float
    start: int
    count: int


ID = "@ID@"
"""Stands for an id in a request."""


def wrk(url: str, request: bytes, ids: Path, load: Load) -> Run:
    """The same request again and again, each with an id of its own. Ends the program when one of them is refused."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(request)
        file.flush()
        command = ["wrk", "-t1", f"-c{load.clients}", f"-d{load.seconds:g}s", "--timeout", "30s", "-s", str(_SCRIPT)]
        command += [url, "--", file.name, str(ids), str(load.start), str(load.count)]
        before = children_cpu()
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        cpu = children_cpu() - before
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if told["errors"]:
        raise SystemExit(f"{url}: {request.split(b' HTTP', 1)[0].decode()} failed\n{done.stdout}")
    return Run(told["requests"], told["seconds"], cpu, told["p50_ms"], told["p99_ms"], told["max_ms"])
