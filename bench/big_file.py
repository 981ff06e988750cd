"""A file of 3 GiB through the gateway and back: does it arrive, how fast, and what do the processes hold meanwhile?

The peer is the disk itself in the same run: for the upload a copy with fsync and then its SHA-256, which is what an upload
must do at the least; for the download `cp`, since curl writes what it gets to the same disk. `python bench/big_file.py [--gib 3]`
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil
from artstore_stack import Stack

GIB = 1024**3
MIB = 1024**2
PARTS = ("admin", "se-edit-1", "se-rw-1", "ingester", "query", "render", "envoy")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gib", type=float, default=3.0)
    size = int(parser.parse_args().gib * GIB)
    with TemporaryDirectory(prefix="artstore-bench-") as name:
        measure(Path(name), size)


def measure(directory: Path, size: int) -> None:
    from world import free_port_base

    source, back = directory / "source", directory / "back"
    make_file(source, size)
    limit = str(2 * size)
    environment = {**os.environ, "IG_MAX_UPLOAD_BYTES": limit, "SE_MAX_UPLOAD_BYTES": limit}
    stack = Stack(directory / "data", free_port_base(), environment)
    stack.up()
    try:
        before = held(stack)
        url, bearer = str(stack.credentials["gateway"]), token(stack)
        form = ["-F", f"file=@{source}", f"{url}/api/v1/files/upload"]
        answer, up, peak_up = timed(stack, ["curl", "-sS", "-f", "-H", bearer, *form])
        file_id = httpx.Response(200, content=answer).json()["file_id"]
        fetch = ["curl", "-sS", "-f", "-H", bearer, "-o", str(back), f"{url}/api/v1/files/{file_id}/download"]
        _, down, peak_down = timed(stack, fetch)
    finally:
        stack.down()
    subprocess.run(["cmp", str(source), str(back)], check=True)
    back.unlink()
    peer_up = clock(lambda: copy_and_hash(source, back))
    back.unlink()
    peer_down = clock(lambda: subprocess.run(["cp", str(source), str(back)], check=True))
    report(size, (up, peer_up), (down, peer_down), before, peak_up, peak_down)


def make_file(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))


def copy_and_hash(source: Path, target: Path) -> None:
    subprocess.run(["dd", f"if={source}", f"of={target}", "bs=1M", "conv=fsync", "status=none"], check=True)
    subprocess.run(["sha256sum", str(target)], stdout=subprocess.DEVNULL, check=True)


def token(stack: Stack) -> str:
    account = stack.credentials["service_accounts"]["client"]
    answer = httpx.post(
        f"{stack.credentials['gateway']}/api/v1/auth/token",
        data={"grant_type": "client_credentials"},
        auth=(account["client_id"], account["client_secret"]),
    )
    return f"Authorization: Bearer {answer.raise_for_status().json()['access_token']}"


def held(stack: Stack) -> dict[str, int]:
    return {part: psutil.Process(stack.pid(part)).memory_info().rss for part in PARTS}


def timed(stack: Stack, command: list[str]) -> tuple[bytes, float, dict[str, int]]:
    """What the command printed, its seconds, and the most that each process held meanwhile."""
    started = time.perf_counter()
    running = subprocess.Popen(command, stdout=subprocess.PIPE)
    peak = held(stack)
    while True:
        try:
            printed, _ = running.communicate(timeout=0.1)
            break
        except subprocess.TimeoutExpired:
            peak = {part: max(peak[part], now) for part, now in held(stack).items()}
    if running.returncode:
        raise SystemExit(f"{command[0]} failed with {running.returncode}")
    return printed, time.perf_counter() - started, peak


def clock(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def report(
    size: int,
    up: tuple[float, float],
    down: tuple[float, float],
    before: dict[str, int],
    peak_up: dict[str, int],
    peak_down: dict[str, int],
) -> None:
    print(f"{size / GIB:g} GiB, through the gateway, bytes compared equal")
    for name, peer, (ours, theirs) in (("upload", "dd conv=fsync, sha256sum", up), ("download", "cp", down)):
        print(
            f"{name}: {size / ours / 1e6:.0f} MB/s; {peer}: {size / theirs / 1e6:.0f} MB/s; ratio {theirs / ours:.2f}"
        )
    print(f"{'part':<12}{'before':>9}{'upload':>9}{'download':>10}{'growth':>8}   MiB, resident")
    for part in PARTS:
        growth = max(peak_up[part], peak_down[part]) - before[part]
        columns = (before[part], peak_up[part], peak_down[part], growth)
        print(
            f"{part:<12}{columns[0] / MIB:>9.0f}{columns[1] / MIB:>9.0f}{columns[2] / MIB:>10.0f}{columns[3] / MIB:>8.0f}"
        )


if __name__ == "__main__":
    main()
