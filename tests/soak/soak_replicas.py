"""Fifty uploads at once through three ingesters, one of which is killed every few seconds: is every file that was
acknowledged whole, is none there twice, is nothing left in staging once unfinished uploads have expired?

`PYTHONPATH=tests/support python tests/soak/soak_replicas.py [--files 50] [--mib 200] [--expiry 600]`; the exit code is 0 when
all of it holds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psutil
from artstore_client import ArtStore, Config
from artstore_gateway import GatewaySettings, render
from artstore_stack import Stack
from artstore_stack.environment import gateway_settings
from artstore_stack.parts import Part
from artstore_stack.tls import LocalCa
from rough_upload import MIB, Peaks, make_file, sha256_of, staged, stored_at
from world import free_port_base

ELEMENT = "se-rw-1"
EXTRA = 2
PAUSES = (1.0, 4.0)
"""Seconds until the next kill, from and to, once all replicas are back: what is killed before it serves proves nothing."""
READY_SECONDS = 60.0
MOST_RUNS = 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=50)
    parser.add_argument("--mib", type=int, default=200)
    parser.add_argument("--expiry", type=int, default=600, help="seconds after which an unfinished upload is removed")
    asked = parser.parse_args()
    with TemporaryDirectory(prefix="artstore-soak-") as name:
        directory = Path(name)
        checksums = make_files(directory / "files", asked.files, asked.mib * MIB)
        expiry = {"SE_STAGING_SECONDS": str(asked.expiry), "SE_GC_SECONDS": "5"}
        stack = Stack(directory / "data", free_port_base(), {**os.environ, **expiry})
        stack.up()
        try:
            with replicas(stack) as all_of_them:
                return soak(stack, all_of_them, checksums, directory, asked.expiry)
        finally:
            stack.down()


def make_files(folder: Path, count: int, size: int) -> dict[str, str]:
    """Files that differ in every MiB, so that bytes of one in another would show; checksums by path."""
    folder.mkdir()
    first = folder / "00.bin"
    made = {str(first): make_file(first, size)}
    for number in range(1, count):
        path = folder / f"{number:02}.bin"
        with first.open("rb") as source, path.open("wb") as target:
            while piece := source.read(MIB):
                target.write(f"{number:016}".encode() + piece[16:])
        made[str(path)] = sha256_of(path)
    return made


@dataclass
class Replicas:
    """The stack's own ingester, which its supervisor brings back, and more like it, which this does."""

    stack: Stack
    environment: dict[str, str]
    ports: list[int]
    log: Path
    processes: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    kills: int = 0

    def start(self, port: int) -> None:
        own = {"IG_PORT": str(port), "IG_JWKS_CACHE_FILE": f"{self.environment['IG_JWKS_CACHE_FILE']}.{port}"}
        with self.log.open("ab") as log:
            self.processes[port] = subprocess.Popen(
                [sys.executable, "-m", "ingester_service", "serve"],
                env={**self.environment, **own},
                stdout=log,
                stderr=log,
            )

    def kill_one(self) -> None:
        self.kills += 1
        chosen = random.choice([0, *self.ports])
        if chosen == 0:
            if pid := self.stack.pid("ingester"):
                os.kill(pid, signal.SIGKILL)
            return
        self.processes[chosen].kill()
        self.processes[chosen].wait()
        self.start(chosen)

    def pids(self) -> dict[str, int]:
        own = {f"ingester on {port}": process.pid for port, process in self.processes.items()}
        return own | {part: self.stack.pid(part) for part in ("ingester", "envoy", "admin", ELEMENT)}

    def kill_until(self, done: threading.Event) -> None:
        while not done.wait(random.uniform(*PAUSES)):
            while not all(ready(port) for port in [self.stack.ports.of(Part.INGESTER), *self.ports]):
                if done.wait(0.2):
                    return
            self.kill_one()


@contextmanager
def replicas(stack: Stack) -> Iterator[Replicas]:
    """Beside the one that runs, and known to the gateway, which is restarted for it."""
    base = free_port_base(range(12000, 15000, 100))
    environment = psutil.Process(stack.pid("ingester")).environ()
    found = Replicas(
        stack, environment, [base + 20 + number for number in range(EXTRA)], stack.layout.logs / "replicas"
    )
    try:
        for port in found.ports:
            found.start(port)
        for port in found.ports:
            wait_ready(port)
        urls = [f"http://127.0.0.1:{port}" for port in (stack.ports.of(Part.INGESTER), *found.ports)]
        decided = gateway_settings(stack.layout, stack.ports, LocalCa(stack.layout.tls)) | {
            "ingester_url": ",".join(urls)
        }
        stack.stop("envoy")
        stack.layout.envoy_config.write_text(render(GatewaySettings.from_environment(stack.env, **decided)))
        stack.start("envoy")
        yield found
    finally:
        for process in found.processes.values():
            process.kill()
            process.wait()


def ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/ready", trust_env=False, timeout=10).status_code == 200
    except httpx.TransportError:
        return False


def wait_ready(port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not ready(port):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the ingester on {port} is not ready")
        time.sleep(0.2)


def soak(stack: Stack, all_of_them: Replicas, checksums: dict[str, str], directory: Path, expiry: int) -> int:
    done = threading.Event()
    killer = threading.Thread(target=all_of_them.kill_until, args=(done,), daemon=True)
    peaks = Peaks(all_of_them.pids)
    began = time.monotonic()
    with peaks.watched():
        killer.start()
        try:
            acknowledged, runs = upload_all(stack, list(checksums), directory)
        finally:
            done.set()
            killer.join()
    seconds = time.monotonic() - began
    wrong = [path for path, file in acknowledged.items() if not whole(stack, file, checksums[path])]
    left = after_expiry(stack, expiry)
    elements = stack.layout.element(Part(ELEMENT))
    on_disk = sum(1 for _ in elements.glob("**/*.data"))
    holds = {
        "every file was acknowledged": len(acknowledged) == len(checksums),
        f"every acknowledged file is whole on disk {wrong}": not wrong,
        f"none is there twice on disk ({on_disk})": on_disk == len(checksums),
        f"none is there twice in the registry ({registered(stack)})": registered(stack) == len(checksums),
        f"nothing is left in staging {left}": not left,
    }
    size = sum(Path(path).stat().st_size for path in checksums)
    print(f"{len(checksums)} files, {size / MIB / 1024:.1f} GiB in {seconds:.0f} s ({size / MIB / seconds:.0f} MiB/s)")
    print(f"{all_of_them.kills} kills of {1 + EXTRA} replicas, {runs} runs of the client")
    for name, peak in sorted(peaks.bytes.items()):
        print(f"peak memory of {name}: {peak / MIB:.0f} MiB")
    for what, true in holds.items():
        print("yes" if true else "NO ", what)
    return 0 if all(holds.values()) else 1


def account(stack: Stack) -> Config:
    client = stack.credentials["service_accounts"]["client"]
    ca = Path(stack.credentials["ca"]).absolute()
    return Config(str(stack.credentials["gateway_tls"]), client["client_id"], client["client_secret"], ca=ca)


def upload_all(stack: Stack, paths: list[str], home: Path) -> tuple[dict[str, dict[str, Any]], int]:
    """What `artstore upload` acknowledged, by path, and how often it was called; what it did not is asked for again."""
    config = account(stack)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "ARTSTORE_URL": config.url,
        "ARTSTORE_CLIENT_ID": config.client_id,
        "ARTSTORE_CLIENT_SECRET": config.client_secret,
        "ARTSTORE_CA": str(config.ca),
    }
    acknowledged: dict[str, dict[str, Any]] = {}
    for run in range(1, MOST_RUNS + 1):
        left = [path for path in paths if path not in acknowledged]
        if not left:
            return acknowledged, run - 1
        command = [sys.executable, "-m", "artstore_client", "upload", "--output", "jsonl", "--tag", "soak"]
        done = subprocess.run(
            [*command, "--parallel", str(len(paths)), "--parts", "2", *left],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        items = [json.loads(line) for line in done.stdout.splitlines()]
        acknowledged |= {item["path"]: item for item in items if "file_id" in item}
    return acknowledged, MOST_RUNS


def whole(stack: Stack, file: dict[str, Any], checksum: str) -> bool:
    return bool(file["checksum"] == checksum == sha256_of(stored_at(stack, ELEMENT, file["file_id"])))


def registered(stack: Stack) -> int:
    with ArtStore(account(stack)) as store:
        return sum(1 for _ in store.search_all(tags=["soak"]))


def after_expiry(stack: Stack, expiry: int) -> list[str]:
    deadline = time.monotonic() + expiry + READY_SECONDS
    while (left := staged(stack, ELEMENT)) and time.monotonic() < deadline:
        time.sleep(1)
    return left


if __name__ == "__main__":
    sys.exit(main())
