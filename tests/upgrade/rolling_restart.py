"""Every service is restarted, one process after another, while clients of every kind are at work through Envoy. No piece of
their work may fail; what HTTP lets a client ask for again is counted.

`PYTHONPATH=tests/support python tests/upgrade/rolling_restart.py [--rounds 1] [--seconds 5] [--follow-endpoints]`; the exit code
is 0 when all of it holds.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

from artstore_stack import Stack
from fleet import Version, environment_of_caller, environments, in_order, running_fleet
from mixed_load import new_load
from proof import during, proven, replaced, seed, under_load
from world import free_port_base

SETTINGS = {
    "AM_ELEMENT_POLL_SECONDS": "1",
    "QM_CONTENT_BYTES": "0",  # small files come from their element, too
    "QM_REQUESTS_PER_SECOND": "0",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1, help="how often everything is restarted")
    parser.add_argument("--seconds", type=float, default=5.0, help="between two restarts")
    parser.add_argument(
        "--follow-endpoints", action="store_true", help="Envoy is told of replicas as Kubernetes tells it"
    )
    parser.add_argument("--keep", type=Path, help="an empty directory that data and logs shall stay in")
    asked = parser.parse_args()
    with nullcontext(asked.keep) if asked.keep else TemporaryDirectory(prefix="artstore-rolling-") as name:
        stack = Stack(Path(name) / "data", free_port_base(), environment_of_caller(SETTINGS))
        stack.up()
        try:
            return asyncio.run(_run(stack, asked))
        finally:
            stack.down()


async def _run(stack: Stack, asked: argparse.Namespace) -> int:
    version = Version("this", Path(sys.executable), environments(stack))
    ca = stack.layout.tls / "ca.crt"
    with running_fleet(stack, version, follow_endpoints=asked.follow_endpoints) as fleet:
        async with new_load(stack.credentials, ca, fleet.directory / "clients") as load:
            await seed(load)
            async with under_load(load):
                await during(load, asked.seconds, "nothing happens")
                for _ in range(asked.rounds):
                    for replica in in_order(fleet):
                        await replaced(load, fleet, replica, version, asked.seconds)
                await during(load, asked.seconds, "nothing happens any more")
            return 0 if await proven(load, fleet) else 1


if __name__ == "__main__":
    sys.exit(main())
