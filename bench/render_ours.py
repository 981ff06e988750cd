"""`python -m bench.render_ours FILE KIND DIRECTORY [tiles]`: one file through our decoders; prints when the first picture was there."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from render_service.decoders.contract import Limits, MediaKind, Output, Wanted
from render_service.decoders.run import decode


async def main(source: Path, kind: MediaKind, into: Path, *, tiles: bool) -> None:
    begun, first = time.monotonic(), list[float]()

    def ready(_output: Output) -> None:
        if not first:
            first.append(time.monotonic() - begun)

    await decode(
        source, kind, Wanted(tiles=tiles), into, Limits(seconds=3600, cpu_seconds=3600), lambda *_: None, ready
    )
    print(f"{first[0]:.3f}")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), MediaKind(sys.argv[2]), Path(sys.argv[3]), tiles=sys.argv[4:] == ["tiles"]))
