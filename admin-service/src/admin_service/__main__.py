"""`python -m admin_service --help` names the commands."""

from __future__ import annotations

import argparse
import asyncio

from artstore_kit.commands import Command, prepare, run_command
from artstore_kit.logs import get_logger
from artstore_kit.server import serve
from artstore_postgres.engine import make_engine
from artstore_postgres.schema import wait_arguments, wait_for_schema

from admin_service.bootstrap import Bootstrap, bootstrap
from admin_service.config import BootstrapSettings, MigrationSettings, SchemaSettings, Settings
from admin_service.db.engine import Database
from admin_service.db.migrate import MIGRATIONS
from admin_service.identity.clock import system_clock
from admin_service.identity.keys import KeyVault
from admin_service.identity.rotation import KeyLife, KeyRotation
from admin_service.identity.secrets import Argon2Hasher
from admin_service.main import SERVICE, build, key_timetable, key_vault, rebuilding
from admin_service.operators import (
    COMMAND_LINE,
    carried_out,
    reset_password_arguments,
    run_reset_password,
    run_unlock,
    unlock_arguments,
)


def run_serve() -> None:
    settings = prepare(Settings, SERVICE)
    serve(build(settings), settings)


def run_migrate() -> None:
    settings = prepare(MigrationSettings, SERVICE)
    MIGRATIONS.upgrade(settings.migration_database_url.get_secret_value())


def run_wait_for_schema(*, seconds: float, only_database: bool) -> None:
    settings = prepare(SchemaSettings, SERVICE)
    url = settings.database_url.get_secret_value()
    say = get_logger(__name__).info
    wait_for_schema(url, MIGRATIONS, seconds=seconds, only_database=only_database, say=say)


def run_bootstrap() -> None:
    settings = prepare(BootstrapSettings, SERVICE)

    async def run() -> None:
        wanted = Bootstrap.read(settings.bootstrap_file)
        url = settings.database_url.get_secret_value()
        database = Database(make_engine(url, application=f"{SERVICE.name} bootstrap", pool_size=1))
        try:
            async with database.transaction() as rows:
                vault = KeyVault(settings.key_encryption_bytes)
                await bootstrap(rows, wanted, vault=vault, hasher=Argon2Hasher(), clock=system_clock)
        finally:
            await database.close()

    carried_out(run())


def run_rotate_keys(*, immediate: bool) -> None:
    settings = prepare(Settings, SERVICE)

    async def run() -> KeyLife:
        url = settings.database_url.get_secret_value()
        database = Database(make_engine(url, application=f"{SERVICE.name} rotate-keys", pool_size=1))
        rotation = KeyRotation(database.transaction, key_vault(settings), key_timetable(settings), system_clock)
        try:
            return await (rotation.replace_leaked(COMMAND_LINE) if immediate else rotation.rotate(COMMAND_LINE))
        finally:
            await database.close()

    life = carried_out(run())
    print(f"{life.key.kid} {life.status} from {life.key.active_from.isoformat()}")


def rotate_keys_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--immediate", action="store_true", help="a key leaked: sign by a new one at once")


def run_rebuild_registry(*, element: str | None, reset: bool, yes_empty_it: bool) -> None:
    if reset and not yes_empty_it:
        raise SystemExit(
            "--reset removes rows from the registry before it reads the elements; say --yes-empty-it as well"
        )
    settings = prepare(Settings, SERVICE)

    async def run() -> bool:
        async with rebuilding(settings, lambda words: print(words, flush=True)) as work:
            return await work.run(element, reset=reset, by=COMMAND_LINE)

    if not asyncio.run(run()):
        raise SystemExit(1)


def rebuild_registry_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--element", metavar="ID", help="this one only")
    parser.add_argument("--reset", action="store_true", help="empty the registry first")
    parser.add_argument("--yes-empty-it", action="store_true", help="what --reset asks for")


COMMANDS = {
    "serve": Command(run_serve, "answer requests until SIGTERM"),
    "migrate": Command(run_migrate, "bring the database schema up to date"),
    "wait-for-schema": Command(
        run_wait_for_schema, "return once the database has the schema of this version", wait_arguments
    ),
    "bootstrap": Command(run_bootstrap, "make the first admin, the services' accounts and the element list"),
    "unlock": Command(run_unlock, "let a locked user try to sign in again", unlock_arguments),
    "reset-password": Command(run_reset_password, "give a user a password for once", reset_password_arguments),
    "rebuild-registry": Command(
        run_rebuild_registry, "fill the registry from the elements' own files", rebuild_registry_arguments
    ),
    "rotate-keys": Command(run_rotate_keys, "publish the next signing key", rotate_keys_arguments),
}

if __name__ == "__main__":
    run_command("admin_service", SERVICE, COMMANDS)
