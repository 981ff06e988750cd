"""`python -m query_service migrate|serve`."""

from __future__ import annotations

from artstore_kit.commands import Command, prepare, run_command
from artstore_kit.logs import get_logger
from artstore_kit.server import serve
from artstore_postgres.schema import wait_arguments, wait_for_schema

from query_service.config import MigrationSettings, SchemaSettings, Settings
from query_service.db.migrate import MIGRATIONS
from query_service.main import SERVICE, build


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


COMMANDS = {
    "serve": Command(run_serve, "answer requests until SIGTERM"),
    "migrate": Command(run_migrate, "make the functions and indexes that search needs; after admin's own migrations"),
    "wait-for-schema": Command(
        run_wait_for_schema, "return once the database has the schema of this version", wait_arguments
    ),
}

if __name__ == "__main__":
    run_command("query_service", SERVICE, COMMANDS)
