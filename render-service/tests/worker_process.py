"""A worker in a process of its own, so that it can be killed: `worker_process.py`, settings from the environment.

Its decoder makes a small picture and takes a moment for it, and notes each beginning as a line in `$BEGUN`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from artstore_kit.logs import configure_logs
from artstore_kit.server import serve
from artstore_kit.settings import load
from render_service.config import Settings
from render_service.decoders.contract import (
    Decoded,
    Limits,
    MediaKind,
    Output,
    Progress,
    Ready,
    RenditionKind,
    Wanted,
)
from render_service.main import build_worker


@dataclass
class SlowDecoder:
    """A thumb of the file's own bytes, after `seconds`."""

    seconds: float
    begun: Path

    async def __call__(
        self,
        source: Path,
        kind: MediaKind,
        wanted: Wanted,
        into: Path,
        limits: Limits,
        progress: Progress,
        ready: Ready | None = None,
    ) -> Decoded:
        del kind, wanted, limits
        with self.begun.open("a") as file:
            file.write(f"{os.getpid()}\n")
        progress(0, 2)
        thumb = into / "thumb"
        await asyncio.to_thread(shutil.copyfile, source, thumb)
        first = Output(RenditionKind.THUMB, thumb, "image/webp", 1, 1)
        if ready is not None:
            ready(first)
        await asyncio.sleep(self.seconds)  # the work: what kills may come in the middle of it
        preview = into / "preview"
        await asyncio.to_thread(shutil.copyfile, source, preview)
        progress(2, 2)
        return Decoded([first, Output(RenditionKind.PREVIEW, preview, "image/webp", 1, 1)], {"pages": 1})


@dataclass
class WorkerProcess:
    environment: Mapping[str, str]
    process: asyncio.subprocess.Process | None = field(default=None)

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            __file__,
            env={**os.environ, **self.environment},
            stderr=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
        )

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def terminate(self) -> int:
        """As a supervisor does; gives the exit code."""
        assert self.process is not None
        self.process.terminate()
        return await self.process.wait()


def main() -> None:
    settings = load(Settings)
    configure_logs("render-worker", level="warning", form="text")
    decoder = SlowDecoder(float(os.environ["DECODE_SECONDS"]), Path(os.environ["BEGUN"]))
    serve(build_worker(settings, decoder), settings)


if __name__ == "__main__":
    main()
