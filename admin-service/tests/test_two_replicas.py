"""Two replicas of admin-service behind Envoy, one killed every few seconds, under mixed load.

`ARTSTORE_REPLICAS_SECONDS` says for how long (default 20 s; `make two-replicas`: two minutes).
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

import pytest
from artstore_testing.postgres import Database
from replica_load import (
    GOOD_PASSWORD,
    accounts_are_kept,
    five_failures_lock,
    keys_rotate,
    new_load,
    repeat,
    sessions_go_on,
    tokens_are_taken,
)
from replica_processes import running_replicas

pytestmark = pytest.mark.integration
KILL_EVERY_SECONDS = 3.0


async def test_no_request_is_answered_wrongly_while_replicas_die(migrated: Database, tmp_path: Path) -> None:
    seconds = float(os.environ.get("ARTSTORE_REPLICAS_SECONDS", "20"))
    async with (
        running_replicas(migrated.url("artstore_admin"), tmp_path) as replicas,
        new_load(replicas.gateway) as load,
    ):
        work = [
            *(repeat(tokens_are_taken, load) for _ in range(2)),
            repeat(accounts_are_kept, load),
            repeat(five_failures_lock, load),
            repeat(sessions_go_on, load),
            repeat(keys_rotate, load, pause=2.0),
            replicas.kill_one_every(KILL_EVERY_SECONDS, random.Random(7)),
        ]
        tasks = [asyncio.create_task(one) for one in work]
        ended, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in ended:
            task.result()
        await asyncio.gather(*(one.ready() for one in replicas.members))

        bearer = await load.bearer()
        for account in load.accounts:
            await load.ask("GET", f"/api/v1/service-accounts/{account}", {200}, headers=bearer)
        for name in load.locked:
            right = {"username": name, "password": GOOD_PASSWORD}
            await load.ask("POST", "/api/v1/auth/login", {401}, json=right)

        deaths = sum(one.deaths for one in replicas.members)
        summary = f"{seconds:g} s, {deaths} deaths, {len(load.kids)} keys, {len(load.locked)} names locked"
        sys.stdout.write(f"\n{summary}; answered rightly: {dict(load.right)}\n")
        assert load.wrong == []
        assert deaths >= max(1, seconds / 30)
        assert len(load.kids) >= 2
        assert load.locked
        assert load.accounts
