"""From the version before to this one under load: that version's stack with its data, this one's migrations, then old and new
processes of each service side by side on the migrated schema, then new ones only. No piece of work may fail, nothing may be
lost, everything must be readable.

`PYTHONPATH=tests/support python tests/upgrade/rolling_upgrade.py [--from TAG] [--seconds 20]`; the exit code is 0 when all of it
holds.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg
from artstore_stack import Stack
from artstore_stack.database import Database
from artstore_stack.environment import Environments, without_ours
from artstore_stack.parts import ELEMENTS, Part
from artstore_stack.postgres import Postgres
from artstore_stack.secret_store import SecretStore
from artstore_stack.setup import Commands
from artstore_stack.tls import LocalCa
from fleet import TWICE, Environment, Fleet, Version, environment_of_caller, environments, running_fleet
from mixed_load import Load, new_load
from previous import Previous, previous
from proof import during, proven, replaced, say, seed, under_load
from rolling_restart import SETTINGS
from world import free_port_base

_MIGRATED = (Part.ADMIN, Part.QUERY, Part.RENDER)
"""Admin's first: the others' migrations need its tables."""
_BETWEEN_SECONDS = 2.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--from", dest="name", help="a tag or a commit (default: the newest tag, or what the file FROM says)"
    )
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="of old and new side by side, and of each stage else half"
    )
    parser.add_argument("--keep", type=Path, help="an empty directory that data and logs shall stay in")
    asked = parser.parse_args()
    before = previous(asked.name or None)
    with nullcontext(asked.keep) if asked.keep else TemporaryDirectory(prefix="artstore-upgrade-") as name:
        data, base, environment = Path(name) / "data", free_port_base(), environment_of_caller(SETTINGS)
        before.up(data, base, environment)
        stack = Stack(data, base, environment)
        try:
            return asyncio.run(_run(stack, before, asked.seconds))
        finally:
            stack.down()


async def _run(stack: Stack, before: Previous, seconds: float) -> int:
    told = environments(stack)
    old = Version(before.name, before.python, told, drains=before.drains)
    ours = _ours(stack)
    new = Version("this", Path(sys.executable), {part: {**told[part], **ours[part]} for part in told})
    ca = stack.layout.tls / "ca.crt"
    with running_fleet(stack, old, follow_endpoints=True) as fleet:
        async with new_load(stack.credentials, ca, fleet.directory / "clients") as load:
            await seed(load)
            async with under_load(load):
                await during(load, seconds / 2, f"all processes are of {old.name}")
                await _migrate(load, stack, ours)
                await during(load, seconds / 2, f"{old.name} on the migrated schema")
                await _upgrade(load, fleet, new, seconds)
            return 0 if await proven(load, fleet) else 1


async def _migrate(load: Load, stack: Stack, ours: dict[Part, Environment]) -> None:
    load.phase = "migrations"
    before = await _revisions(stack)
    began = time.monotonic()
    commands = Commands(
        stack.layout, without_ours(stack.env, {name: "" for own in ours.values() for name in own}), ours
    )
    for part in _MIGRATED:
        await asyncio.to_thread(commands.run, part, "migrate")
    await asyncio.to_thread(commands.run, Part.ADMIN, "bootstrap")
    after = await _revisions(stack)
    changed = {
        name: f"{before.get(name)} to {revision}" for name, revision in after.items() if before.get(name) != revision
    }
    say(f"migrations in {time.monotonic() - began:.1f} s: {changed or 'none'}; now {after}")


async def _upgrade(load: Load, fleet: Fleet, new: Version, seconds: float) -> None:
    for replica in fleet.of(*TWICE, number=2):
        await replaced(load, fleet, replica, new, _BETWEEN_SECONDS)
    await during(load, seconds, "old and new side by side")
    for replica in fleet.of(*TWICE, number=1):
        await replaced(load, fleet, replica, new, _BETWEEN_SECONDS)
    for replica in fleet.of(*ELEMENTS, Part.ROUTES):
        await replaced(load, fleet, replica, new, _BETWEEN_SECONDS)
    await during(load, seconds / 2, "all processes are new")


def _ours(stack: Stack) -> dict[Part, Environment]:
    """What this version's stack would tell its services, with the secrets that are there."""
    secrets = SecretStore(stack.layout.secrets)
    database = Database(Postgres(stack.layout.postgres, stack.ports.of(Part.POSTGRES)), secrets)
    made = Environments(stack.layout, stack.ports, secrets, LocalCa(stack.layout.tls), database)
    return {part: made.of(part) for part in Part}


async def _revisions(stack: Stack) -> dict[str, str]:
    """The revision of each service's own line of migrations."""
    connection = await asyncpg.connect(str(stack.credentials["database_url"]))
    try:
        tables = await connection.fetch(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE tablename LIKE '%alembic_version%'"
        )
        found = {}
        for table in tables:
            found[str(table["name"])] = str(await connection.fetchval(f"SELECT version_num FROM {table['name']}"))
        return found
    finally:
        await connection.close()


if __name__ == "__main__":
    sys.exit(main())
