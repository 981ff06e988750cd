"""One large upload in rough weather: the client is killed twice, the ingester twice, the gateway and the element once, and
the line is down for 30 s. Does it complete, is it the same file, what was sent twice, what did the processes hold?

`PYTHONPATH=tests/support python tests/soak/soak_upload.py [--mib 10240] [--offline 30] [--stack DIR]`; the exit code is 0 when
all of it holds. With `--stack` a stack that runs already is used, whose data directory that is.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from artstore_client import UploadPolicy
from artstore_client.resumable.plan import part_length
from artstore_stack import Stack
from rough_upload import MIB, Outcome, make_file, sha256_of, staged, stored_at, troubles, upload_in
from world import free_port_base

ELEMENT = "se-rw-1"
SETTLED_SECONDS = 60.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=10 * 1024)
    parser.add_argument("--offline", type=float, default=30.0)
    parser.add_argument("--stack", type=Path)
    asked = parser.parse_args()
    with TemporaryDirectory(prefix="artstore-soak-") as name, running(asked.stack, Path(name)) as stack:
        path = Path(name) / "large.bin"
        checksum = make_file(path, asked.mib * MIB)
        weather, before = troubles(asked.offline), set(staged(stack, ELEMENT))
        outcome = upload_in(weather, stack, path, Path(name))
        print("weather:", ", ".join(f"{what} at {share:.0%}" for share, what, _ in weather))
        return report(stack, outcome, checksum, before)


@contextmanager
def running(given: Path | None, directory: Path) -> Iterator[Stack]:
    """The stack that was named, or one of our own."""
    if given is not None:
        yield Stack(given)
        return
    stack = Stack(directory / "data", free_port_base(), os.environ)
    stack.up()
    try:
        yield stack
    finally:
        stack.down()


def report(stack: Stack, outcome: Outcome, checksum: str, before: set[str]) -> int:
    policy = UploadPolicy()
    chunk = min(policy.chunk_bytes, part_length(outcome.size, policy, policy.parallel))
    bound = outcome.cuts * policy.parallel * chunk
    stored = sha256_of(stored_at(stack, ELEMENT, outcome.file["file_id"]))
    left = settled(stack, before)
    holds = {
        "the server's checksum is the file's": outcome.file["checksum"] == checksum,
        "the stored bytes are the file's": stored == checksum,
        f"sent twice at most a chunk of {chunk // MIB} MiB for each cut and stream": outcome.again <= bound,
        "nothing is left in staging": not left,
    }
    rate = outcome.size / MIB / outcome.seconds
    print(f"{outcome.size // MIB} MiB in {outcome.seconds:.0f} s ({rate:.0f} MiB/s), {outcome.runs} runs of the client")
    print(f"sent twice: {outcome.again / MIB:.1f} MiB of {bound // MIB} allowed, over {outcome.cuts} cuts")
    for name, peak in sorted(outcome.peaks.items()):
        print(f"peak memory of {name}: {peak / MIB:.0f} MiB")
    for what, true in holds.items():
        print("yes" if true else "NO ", what)
    return 0 if all(holds.values()) else 1


def settled(stack: Stack, before: set[str]) -> set[str]:
    """What stays in staging and was not there `before`: the element puts a file into its place after it has acknowledged it."""
    deadline = time.monotonic() + SETTLED_SECONDS
    while (left := set(staged(stack, ELEMENT)) - before) and time.monotonic() < deadline:
        time.sleep(0.5)
    return left


if __name__ == "__main__":
    sys.exit(main())
