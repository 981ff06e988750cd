"""`python -m admin_service migrate|bootstrap|serve`."""

from __future__ import annotations

import argparse
import asyncio

from artstore_kit.logs import configure_logs
from artstore_kit.server import serve
from artstore_kit.settings import ServiceSettings, load

from admin_service.bootstrap import Bootstrap, bootstrap
from admin_service.config import BootstrapSettings, MigrationSettings, Settings
from admin_service.db.engine import Database, make_engine
from admin_service.db.migrate import upgrade
from admin_service.identity.clock import system_clock
from admin_service.identity.keys import KeyVault
from admin_service.identity.secrets import Argon2Hasher
from admin_service.main import SERVICE, build


def run_serve() -> None:
    settings = load(Settings)
    _logs(settings)
    serve(build(settings), settings)


def run_migrate() -> None:
    settings = load(MigrationSettings)
    _logs(settings)
    upgrade(settings.migration_database_url.get_secret_value())


def run_bootstrap() -> None:
    settings = load(BootstrapSettings)
    _logs(settings)
    wanted = Bootstrap.read(settings.bootstrap_file)

    async def run() -> None:
        database = Database(make_engine(settings.database_url.get_secret_value()))
        async with database.transaction() as rows:
            vault = KeyVault(settings.key_encryption_bytes)
            await bootstrap(rows, wanted, vault=vault, hasher=Argon2Hasher(), clock=system_clock)
        await database.close()

    asyncio.run(run())


def _logs(settings: ServiceSettings) -> None:
    configure_logs(SERVICE.name, level=settings.log_level, form=settings.log_format)


COMMANDS = {
    "serve": (run_serve, "answer requests until SIGTERM"),
    "migrate": (run_migrate, "bring the database schema up to date"),
    "bootstrap": (run_bootstrap, "make the first admin, the services' accounts and the element list"),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m admin_service", description=SERVICE.description)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (_, words) in COMMANDS.items():
        commands.add_parser(name, help=words)
    COMMANDS[parser.parse_args().command][0]()


if __name__ == "__main__":
    main()
