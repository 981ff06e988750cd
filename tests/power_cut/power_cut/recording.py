"""The one run whose power is cut afterwards, as often as one likes: a real element at work on a disk that remembers."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import httpx

from power_cut import system
from power_cut.element import Setup
from power_cut.fusedisk import fuse_disk
from power_cut.images import FileImage
from power_cut.load import CLIENTS, MIB, Abilities, Budget, Client, FeedReader, Names, expect
from power_cut.promises import Ledger

DISK_BYTES: Final = 512 * MIB
LOG_BYTES: Final = 2048 * MIB
LARGE_BYTES: Final = 64 * MIB
"""Of files that do not travel in the log's record. Each cut reads all of them back."""


@dataclass(frozen=True, slots=True)
class Recording:
    """`start` holds the disk as it was in the beginning, `log` what came after. Times: when clients were at work."""

    start: Path
    log: Path
    ledger: Ledger
    abilities: Abilities
    began: int
    ended: int


def record(directory: Path, setup: Setup, program: Sequence[str], seconds: float, chance: Random) -> Recording:
    """Makes the disk, runs the element on it for so long, and kills it at work. Raises Unexpected, NotReady, Missing."""
    start, now, log = directory / "start.img", directory / "now.img", directory / "disk.log"
    try:
        system.make_ext4(start, DISK_BYTES)
        system.copy_sparse(start, now)
    except OSError as error:
        raise system.Missing(f"a disk to try it on ({error})") from error
    image = FileImage(now)
    try:
        with ExitStack() as held:
            disk = held.enter_context(fuse_disk(directory / "fuse", image, log, LOG_BYTES))
            try:
                held.enter_context(system.mounted(disk, setup.data.parent))
            except OSError as error:
                raise system.Missing(f"a loop device with ext4 on it ({error})") from error
            setup.init()
            with setup.running(directory / "element.log", program):
                ledger, began = Ledger(), time.monotonic_ns()
                abilities = _work(setup, ledger, seconds, chance)
                ended = time.monotonic_ns()
    finally:
        image.close()
        now.unlink()
    return Recording(start, log, ledger, abilities, began, ended)


def _work(setup: Setup, ledger: Ledger, seconds: float, chance: Random) -> Abilities:
    stop = threading.Event()
    with httpx.Client(**setup.client_options) as http, ThreadPoolExecutor(CLIENTS + 2) as threads:
        abilities = Abilities.ask(http)
        budget, names = Budget(LARGE_BYTES, seconds), Names(chance)
        clients = [
            Client(http, ledger, abilities, budget, names, Random(chance.getrandbits(64))) for _ in range(CLIENTS)
        ]
        running = [threads.submit(client.run, stop) for client in clients]
        if abilities.feed:
            running.append(threads.submit(FeedReader(http, ledger).run, stop))
        try:
            wait(running, seconds / 2, FIRST_EXCEPTION)
            if abilities.checkpoint:
                expect(http.post("/api/v1/maintenance/checkpoint"), 200)
            wait(running, seconds / 2, FIRST_EXCEPTION)
        finally:
            stop.set()
        for one in running:
            one.result()
    return abilities
