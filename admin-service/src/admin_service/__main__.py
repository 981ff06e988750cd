"""`python -m admin_service migrate|bootstrap|serve`."""

from __future__ import annotations

import asyncio

from artstore_kit.commands import Command, prepare, run_command
from artstore_kit.server import serve
from artstore_postgres.engine import make_engine

from admin_service.bootstrap import Bootstrap, bootstrap
from admin_service.config import BootstrapSettings, MigrationSettings, Settings
from admin_service.db.engine import Database
from admin_service.db.migrate import MIGRATIONS
from admin_service.identity.clock import system_clock
from admin_service.identity.keys import KeyVault
from admin_service.identity.secrets import Argon2Hasher
from admin_service.main import SERVICE, build


def run_serve() -> None:
    settings = prepare(Settings, SERVICE)
    serve(build(settings), settings)


def run_migrate() -> None:
    settings = prepare(MigrationSettings, SERVICE)
    MIGRATIONS.upgrade(settings.migration_database_url.get_secret_value())


def run_bootstrap() -> None:
    settings = prepare(BootstrapSettings, SERVICE)
    wanted = Bootstrap.read(settings.bootstrap_file)

    async def run() -> None:
        url = settings.database_url.get_secret_value()
        database = Database(make_engine(url, application=f"{SERVICE.name} bootstrap", pool_size=1))
        async with database.transaction() as rows:
            vault = KeyVault(settings.key_encryption_bytes)
            await bootstrap(rows, wanted, vault=vault, hasher=Argon2Hasher(), clock=system_clock)
        await database.close()

    asyncio.run(run())


COMMANDS = {
    "serve": Command(run_serve, "answer requests until SIGTERM"),
    "migrate": Command(run_migrate, "bring the database schema up to date"),
    "bootstrap": Command(run_bootstrap, "make the first admin, the services' accounts and the element list"),
}

if __name__ == "__main__":
    run_command("admin_service", SERVICE, COMMANDS)
