"""One upload by `artstore upload` through TLS and Envoy, while everything on its way is killed or cut in turn.

Each trouble happens when a stated share of the bytes went over the link, which is held still meanwhile: so it is in the
middle of the upload on any machine, and how often there is trouble does not depend on how fast it is.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psutil
from artstore_stack import Stack
from rough_link import RoughLink

MIB: Final = 1024 * 1024
_HIGH_WATER: Final = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)
_TEMPORARY: Final = 75
_MOST_RUNS: Final = 20
_LONGEST_SECONDS: Final = 1800.0


class Peaks:
    """The most memory that each process ever held (VmHWM), also of those that were killed: looked at five times a
    second."""

    def __init__(self, pids: Callable[[], Mapping[str, int]]) -> None:
        self._pids = pids
        self.bytes: dict[str, int] = {}

    @contextmanager
    def watched(self) -> Iterator[None]:
        done = threading.Event()
        thread = threading.Thread(target=self._watch, args=(done,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _watch(self, done: threading.Event) -> None:
        while not done.wait(0.2):
            for name, pid in self._pids().items():
                for one in _family(pid):
                    self.bytes[name] = max(self.bytes.get(name, 0), _high_water(one))


def _family(pid: int) -> list[int]:
    with suppress(psutil.Error):
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))] if pid else []
    return []


def _high_water(pid: int) -> int:
    with suppress(OSError):
        found = _HIGH_WATER.search(Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) * 1024 if found else 0
    return 0


@dataclass
class Uploader:
    """`artstore upload` of one file, as a process that can be killed and typed again."""

    stack: Stack
    port: int
    path: Path
    home: Path
    options: Sequence[str] = ()
    process: subprocess.Popen[str] | None = None
    runs: int = 0

    @property
    def pid(self) -> int:
        return self.process.pid if self.process and self.process.poll() is None else 0

    def start(self) -> None:
        self.runs += 1
        account = self.stack.credentials["service_accounts"]["client"]
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "ARTSTORE_URL": f"https://127.0.0.1:{self.port}",
            "ARTSTORE_CLIENT_ID": account["client_id"],
            "ARTSTORE_CLIENT_SECRET": account["client_secret"],
            "ARTSTORE_CA": str(Path(self.stack.credentials["ca"]).absolute()),
        }
        with (self.home / "stderr").open("a") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "artstore_client", "upload", str(self.path), "--output", "jsonl", *self.options],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )

    def kill(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()

    def keep_going(self) -> None:
        """Types the command again where it ended because ArtStore was away; fails where it ended otherwise."""
        assert self.process
        if self.process.poll() is None:
            return
        out, _ = self.process.communicate()
        assert self.process.returncode == _TEMPORARY, (self.process.returncode, out, self.said())
        assert self.runs < _MOST_RUNS, self.said()
        self.start()

    def finished(self) -> dict[str, Any]:
        """What it printed, once it is done."""
        assert self.process
        while True:
            out, _ = self.process.communicate(timeout=_LONGEST_SECONDS)
            if self.process.returncode == 0:
                file: dict[str, Any] = json.loads(out)
                return file
            self.keep_going()

    def said(self) -> str:
        return (self.home / "stderr").read_text()


@dataclass
class Storm:
    """The stack, the link to it and the client."""

    stack: Stack
    link: RoughLink
    client: Uploader

    def kill_client(self) -> None:
        self.client.kill()
        self.client.start()

    def kill(self, part: str) -> None:
        os.kill(self.stack.pid(part), signal.SIGKILL)

    def offline(self, seconds: float) -> None:
        self.link.cut()
        time.sleep(seconds)
        self.link.restore()


Trouble = tuple[float, str, Callable[[Storm], None]]
"""At which share of the bytes, its name, and what happens."""


def troubles(offline_seconds: float) -> list[Trouble]:
    """The weather that the acceptance names: seven cuts."""
    return [
        (0.10, "client killed", Storm.kill_client),
        (0.22, "ingester killed", lambda storm: storm.kill("ingester")),
        (0.35, f"{offline_seconds:g} s offline", lambda storm: storm.offline(offline_seconds)),
        (0.48, "gateway killed", lambda storm: storm.kill("envoy")),
        (0.61, "client killed", Storm.kill_client),
        (0.74, "element killed", lambda storm: storm.kill("se-rw-1")),
        (0.87, "ingester killed", lambda storm: storm.kill("ingester")),
    ]


@dataclass
class Outcome:
    """`sent`: bytes on the wire from the client, with TLS and headers. `peaks` in bytes, by process."""

    file: dict[str, Any]
    size: int
    sent: int
    seconds: float
    cuts: int
    runs: int
    peaks: dict[str, int] = field(default_factory=dict)

    @property
    def again(self) -> float:
        """Bytes sent more than once, about: what is on the wire above the file, less TLS's share of 2 in 1000."""
        return self.sent - self.size * 1.002


def upload_in(weather: Sequence[Trouble], stack: Stack, path: Path, home: Path, *options: str) -> Outcome:
    """Uploads the file while it rains; nothing is checked here but that it ends well."""
    gateway = urlsplit(str(stack.credentials["gateway_tls"]))
    size = path.stat().st_size
    began = time.monotonic()
    with RoughLink((gateway.hostname or "", gateway.port or 0)) as link:
        client = Uploader(stack, link.port, path, home, options)
        storm = Storm(stack, link, client)
        parts = ("admin", "se-rw-1", "ingester", "envoy")
        peaks = Peaks(lambda: {"client": client.pid, **{part: stack.pid(part) for part in parts}})
        with peaks.watched():
            client.start()
            for share, name, happens in weather:
                link.hold_from(int(size * share))
                deadline = time.monotonic() + _LONGEST_SECONDS
                while not link.holds(0.2):
                    client.keep_going()
                    assert time.monotonic() < deadline, f"{name}: {link.sent} bytes came; {client.said()}"
                happens(storm)
                link.release()
            file = client.finished()
        seconds = time.monotonic() - began
        return Outcome(file, size, link.sent, seconds, len(weather), client.runs, peaks.bytes)


def make_file(path: Path, size: int) -> str:
    """Bytes of which no MiB is like another; returns their SHA-256."""
    hashed, filling = hashlib.sha256(), os.urandom(MIB - 16)
    with path.open("wb") as file:
        for start in range(0, size, MIB):
            piece = (f"{start:016}".encode() + filling)[: size - start]
            file.write(piece)
            hashed.update(piece)
    return hashed.hexdigest()


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stored_at(stack: Stack, part: str, file_id: str) -> Path:
    """The bytes of a file, on the element's disk."""
    found = list(stack.layout.element(_part(part)).glob(f"**/{file_id}.data"))
    assert len(found) == 1, found
    return found[0]


def staged(stack: Stack, part: str) -> list[str]:
    """What lies in an element's staging."""
    return sorted(path.name for path in (stack.layout.element(_part(part)) / "staging").iterdir())


def _part(name: str) -> Any:
    from artstore_stack.parts import Part

    return Part(name)
