"""`python -m render_service migrate|serve|worker`."""

from __future__ import annotations

from artstore_kit.commands import Command, prepare, run_command
from artstore_kit.logs import get_logger
from artstore_kit.server import serve
from artstore_postgres.schema import wait_arguments, wait_for_schema

from render_service.config import MigrationSettings, SchemaSettings, Settings
from render_service.db.migrate import MIGRATIONS
from render_service.main import SERVICE, build, build_worker


def run_serve() -> None:
    settings = prepare(Settings, SERVICE)
    serve(build(settings), settings)


def run_worker() -> None:
    settings = prepare(Settings, SERVICE)
    serve(build_worker(settings), settings)


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
    "worker": Command(run_worker, "make previews until SIGTERM; more of them share the work"),
    "migrate": Command(run_migrate, "make the schema `render`; after admin's own migrations"),
    "wait-for-schema": Command(
        run_wait_for_schema, "return once the database has the schema of this version", wait_arguments
    ),
}

if __name__ == "__main__":
    run_command("render_service", SERVICE, COMMANDS)
