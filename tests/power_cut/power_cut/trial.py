"""One power cut: the disk as it may be then, an element that recovers on it, and a look at what it makes of it."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any, Final, NoReturn

import httpx
from artstore_kit.logs import configure_logs
from asgi_lifespan import LifespanManager
from storage_element.main import SERVICE, build

from power_cut import system
from power_cut.aftermath import Aftermath, Seen
from power_cut.disklog import DiskLog
from power_cut.element import NotReady, Setup
from power_cut.fusedisk import fuse_disk
from power_cut.images import FileImage, Image, Overlay, Pieces, Tail, Timeline
from power_cut.judging import Finding, Kind
from power_cut.promises import Ledger

_LOOK_SECONDS: Final = 120.0
_LOG_BYTES: Final = 1 << 30


@dataclass
class Trials:
    """Everything that the cuts of one recording share. `base` moves forward with them."""

    directory: Path
    setup: Setup
    ledger: Ledger
    base: FileImage
    chance: Random
    patience: float
    """How long a recovery may take, in seconds."""

    def cut(self, moment: int, writes: Pieces, *, real_process: bool = False, again: bool = False) -> Seen:
        """The power goes at `moment`, when `base` and any part of `writes` was on the disk.

        `real_process` recovers with the real command, else with its app in a child of this process. `again` cuts a second
        time, during that recovery.
        """
        disk = Overlay(self.base, Tail.choose(self.chance).pieces(writes, self.chance))
        if not again:
            return self._recover(disk, moment, None, real_process)
        log = self.directory / "recovery.log"
        seen = self._recover(disk, moment, log, real_process)
        if seen.ready:
            seen.findings += self._cut_recovery(disk, moment, log, seen.ready).findings
        return seen

    def _cut_recovery(self, disk: Overlay, moment: int, log: Path, ready: int) -> Seen:
        with DiskLog(log) as read:
            timeline = Timeline(read, disk)
            first = read.entries[0].time if read.entries else ready
            writes = timeline.advance(self.chance.randint(min(first, ready), ready))
            left = Tail.choose(self.chance).pieces(writes, self.chance)
            return self._recover(Overlay(disk, left), moment, None, real_process=False)

    def _recover(self, disk: Image, moment: int, log: Path | None, real_process: bool) -> Seen:
        point = self.setup.data.parent
        with fuse_disk(self.directory / "fuse", disk, log, _LOG_BYTES) as file:
            try:
                with system.mounted(file, point):
                    return self._in_process(moment) if real_process else self._in_child(moment)
            except OSError as error:
                return Seen(findings=[Finding(Kind.BROKEN, f"no file system: {error}", "")])

    def _in_process(self, moment: int) -> Seen:
        async def look() -> Seen:
            async with httpx.AsyncClient(**self.setup.client_options) as client:
                return await self._aftermath(client, moment).look()

        try:
            with self.setup.running(self.directory / "element.log"):
                return asyncio.run(look())
        except NotReady as error:
            return Seen(findings=[Finding(Kind.BROKEN, f"the process does not come up: {error}", "")])

    def _in_child(self, moment: int) -> Seen:
        """In a fork of this process, which has imported everything: a start of Python would take longer than the rest."""
        with _fork(lambda: asdict(asyncio.run(self._look_in_child(moment))), self.directory / "element.log") as answer:
            try:
                found = json.loads(answer)
            except ValueError:
                reason = (self.directory / "element.log").read_text(errors="replace")[-2000:]
                return Seen(findings=[Finding(Kind.BROKEN, f"the recovering process ended or hung: {reason}", "")])
        found["findings"] = [Finding(Kind(one["kind"]), one["what"], one["subject"]) for one in found["findings"]]
        return Seen(**found)

    async def _look_in_child(self, moment: int) -> Seen:
        configure_logs(SERVICE.name, level="warning", form="text")
        app = build(self.setup.settings(), keys=self.setup.issuer.keys)
        async with (
            LifespanManager(app, startup_timeout=_LOOK_SECONDS),
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app=app, raise_app_exceptions=False),
                base_url="https://element.test",
                headers=self.setup.bearer,
            ) as client,
        ):
            return await self._aftermath(client, moment).look()

    def _aftermath(self, client: httpx.AsyncClient, moment: int) -> Aftermath:
        chance = Random(self.chance.getrandbits(64))
        return Aftermath(client, self.setup.data, self.ledger, moment, chance, self.patience)


@contextmanager
def _fork(run: Callable[[], Any], log: Path) -> Iterator[bytes]:
    """What `run` gives in a child, as JSON; empty when the child fails or takes too long. It is gone afterwards."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receive)
        _run_in_child(run, send, log)
    os.close(send)
    try:
        yield _read_all(receive, _LOOK_SECONDS)
    finally:
        os.close(receive)
        os.kill(child, signal.SIGKILL)  # it has said all that it has to say, or it hangs
        os.waitpid(child, 0)


def _run_in_child(run: Callable[[], Any], send: int, log: Path) -> NoReturn:
    try:
        system.die_with_parent()
        os.setsid()
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        with os.fdopen(send, "wb") as answer:
            answer.write(json.dumps(run()).encode())
    except BaseException:  # noqa: BLE001  the parent's stack must not run here
        traceback.print_exc()
    finally:
        os._exit(0)


def _read_all(handle: int, seconds: float) -> bytes:
    pieces: list[bytes] = []
    deadline = time.monotonic() + seconds
    while select.select([handle], [], [], max(0.0, deadline - time.monotonic()))[0]:
        if not (piece := os.read(handle, 1 << 16)):
            return b"".join(pieces)
        pieces.append(piece)
    return b""
