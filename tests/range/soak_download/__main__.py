"""Downloads for a long while: 64 slow readers of a large file, then elements killed under 200 downloads.

On a stack of its own. `python tests/range/soak_download [--downloads 200] [--kills 6] [--readers 64] [--gib 1]`
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from artstore_stack import Stack

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))

from restart_storm import storm
from slow_readers import SlowReader, slow_readers
from world import World, free_port_base

MIB, GIB = 1024**2, 1024**3
WATCHED = ("query", "se-rw-1", "envoy")
ALLOWED_GROWTH = 8 * MIB
"""Of each process, for each reader: some pieces of 1 MiB, read, encrypted and handed to the socket. Files in memory would be
thousands of MiB."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--downloads", type=int, default=200, help="at once, on each way")
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--mib", type=int, default=32, help="the file of the downloads")
    parser.add_argument("--readers", type=int, default=64)
    parser.add_argument("--gib", type=float, default=1.0, help="the file of the slow readers")
    parser.add_argument("--seconds", type=float, default=60.0, help="of slow reading")
    given = parser.parse_args()
    with TemporaryDirectory(prefix="artstore-soak-") as directory, running(Path(directory), given.gib) as world:
        ways = {"query": str(world.credentials["services"]["query"]), "gateway": world.gateway}
        # Memory first: what hundreds of downloads leave to the allocator would hide it.
        file_id = upload(world, Path(directory) / "large", int(given.gib * GIB))
        failed = [memory(world, name, f"{url}/api/v1/files/{file_id}/download", given) for name, url in ways.items()]
        failed += [restarts(world, name, url, given) for name, url in ways.items()]
    raise SystemExit(any(failed))


@contextmanager
def running(directory: Path, gib: float) -> Iterator[World]:
    limit = str(int(gib * GIB) + MIB)
    environment = {**os.environ, "IG_MAX_UPLOAD_BYTES": limit, "AM_ELEMENT_POLL_SECONDS": "1"}
    stack = Stack(directory / "data", free_port_base(), environment)
    stack.up()
    try:
        trusted = ssl.create_default_context(cafile=str(stack.credentials["ca"]))
        with httpx.Client(verify=trusted, timeout=120, trust_env=False) as http:
            yield World(stack, http)
    finally:
        stack.down()


def restarts(world: World, name: str, url: str, given: argparse.Namespace) -> bool:
    """Whether it failed. Prints what became of the downloads."""
    started = time.monotonic()
    content = os.urandom(given.mib * MIB + 17)
    (tally,) = asyncio.run(storm(world, [url], content, downloads=given.downloads, kills=given.kills))
    seconds = time.monotonic() - started
    print(f"{name}: {given.downloads} downloads at once, {given.kills} kills, {seconds:.0f} s: {tally}", flush=True)
    return bool(tally.wrong or tally.short or tally.given_up)


def upload(world: World, path: Path, size: int) -> str:
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
    authorization = f"Authorization: {world.bearer()['Authorization']}"
    url = f"{world.gateway}/api/v1/files/upload"
    done = subprocess.run(
        ["curl", "-sS", "-f", "-H", authorization, "-F", f"file=@{path};filename=large.bin", url],
        capture_output=True, check=True,
    )  # fmt: skip
    path.unlink()
    return str(httpx.Response(200, content=done.stdout).json()["file_id"])


def memory(world: World, name: str, url: str, given: argparse.Namespace) -> bool:
    """Whether it failed. Prints the most that each process held while the slow readers read."""
    before = {part: peak(world.stack.pid(part), reset=True) for part in WATCHED}
    taken = asyncio.run(read_slowly(given.readers, url, world.bearer(), given.seconds))
    after = {part: peak(world.stack.pid(part)) for part in WATCHED}
    shown = ", ".join(f"{part} {before[part] / MIB:.0f} → {after[part] / MIB:.0f} MiB" for part in WATCHED)
    print(
        f"{name}: {given.readers} readers of {given.gib:g} GiB, {taken / given.readers / MIB:.1f} MiB taken by each in"
        f" {given.seconds:.0f} s; VmHWM: {shown}",
        flush=True,
    )
    return any(after[part] - before[part] > given.readers * ALLOWED_GROWTH for part in WATCHED)


def peak(pid: int, *, reset: bool = False) -> int:
    """VmHWM (proc(5)) in bytes; `reset` sets it back to what is held now."""
    if reset:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


async def read_slowly(count: int, url: str, headers: dict[str, str], seconds: float) -> int:
    """Bytes that all readers took: each 64 KiB in a quarter of a second, and nothing in the last third of the time."""
    async with slow_readers(count, url, headers) as readers:
        assert {reader.status for reader in readers} == {200}
        await asyncio.gather(*(sip(reader, seconds * 2 / 3) for reader in readers))
        await asyncio.sleep(seconds / 3)
        return sum(reader.taken for reader in readers)


async def sip(reader: SlowReader, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert await reader.read(64 * 1024)
        await asyncio.sleep(0.25)


if __name__ == "__main__":
    main()
