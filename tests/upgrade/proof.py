"""What must hold when the load is over: nothing failed, nothing was lost, everything that was acknowledged can be read."""

from __future__ import annotations

import asyncio
import io
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from artstore_client.errors import ArtStoreClientError
from fleet import Fleet, Replica, Version
from kinds_of_work import WORK, sign_in_to_console, upload_form, upload_resumable
from mixed_load import TAG, Load, report

_SEEDS = 8
_AT_ONCE = 8
_SETTLED_SECONDS = 60.0


async def seed(load: Load) -> None:
    """Something to find and to read, before anything happens."""
    for _ in range(_SEEDS):
        await upload_form(load, "upload, form")
    await upload_resumable(load, "upload, tus")
    await sign_in_to_console(load, "console")


@asynccontextmanager
async def under_load(load: Load) -> AsyncIterator[None]:
    """All kinds of work at once, until the block ends. Reports."""
    done, began = asyncio.Event(), time.monotonic()
    workers = [asyncio.create_task(load.repeat(kind, work, pause, done)) for kind, (work, pause) in WORK.items()]
    try:
        yield
    finally:
        done.set()
        await asyncio.gather(*workers)
        report(load, time.monotonic() - began)


async def during(load: Load, seconds: float, phase: str) -> None:
    """Lets the load go on for so long, under that name. The services are left alone meanwhile."""
    load.phase = phase
    say(phase)
    await asyncio.sleep(seconds)


async def replaced(load: Load, fleet: Fleet, replica: Replica, version: Version, seconds: float) -> None:
    """One process ends and one of this version comes in its place; then the load goes on for so long."""
    load.phase = f"restart of {replica}"
    began = time.monotonic()
    await asyncio.to_thread(fleet.replace, replica, version)
    say(f"{load.phase}: away for {time.monotonic() - began:.1f} s")
    await asyncio.sleep(seconds)


async def proven(load: Load, fleet: Fleet) -> bool:
    """Prints what holds and what does not; whether all of it does."""
    lost = await _unreadable(load, load.stored)
    listed = await _settled(load)
    missing, unknown = set(load.stored) - set(listed), set(listed) - set(load.stored)
    holds = {
        f"no piece of work failed ({len(load.wrong)})": not load.wrong,
        f"all {len(load.stored)} acknowledged files can be read, byte by byte {lost[:5]}": not lost,
        f"all of them are found, each once {sorted(missing)[:5]}": not missing and len(listed) == len(set(listed)),
        f"no other file is there {sorted(unknown)[:5]}": not unknown,
        f"every process ended by itself, and well {fleet.ended_badly}": not fleet.ended_badly,
    }
    for what, true in holds.items():
        say(f"{'yes' if true else 'NO '} {what}")
    return all(holds.values())


async def _unreadable(load: Load, ids: Iterable[str]) -> list[str]:
    turns = asyncio.Semaphore(_AT_ONCE)
    wrong: list[str] = []
    store = load.store("reading all at the end")

    async def read(file_id: str) -> None:
        async with turns:
            try:
                got = await store.download(file_id, io.BytesIO())
            except ArtStoreClientError as error:
                wrong.append(f"{file_id}: {error}")
                return
            if got.checksum != load.stored[file_id]:
                wrong.append(file_id)

    await asyncio.gather(*(read(file_id) for file_id in ids))
    return wrong


async def _settled(load: Load) -> list[str]:
    """Ids of all that is found; a file whose registration waits may take its time."""
    deadline = time.monotonic() + _SETTLED_SECONDS
    store = load.store("finding all at the end")
    while True:
        found = [str(hit.file_id) async for hit in store.search_all(tags=[TAG])]
        if set(load.stored) <= set(found) or time.monotonic() > deadline:
            return found
        await asyncio.sleep(1.0)


def say(words: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {words}\n")
    sys.stdout.flush()
