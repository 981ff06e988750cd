"""`python -m query_service migrate|serve`."""

from __future__ import annotations

from artstore_kit.commands import Command, prepare, run_command
from artstore_kit.server import serve

from query_service.config import MigrationSettings, Settings
from query_service.db.migrate import MIGRATIONS
from query_service.main import SERVICE, build


def run_serve() -> None:
    settings = prepare(Settings, SERVICE)
    serve(build(settings), settings)


def run_migrate() -> None:
    settings = prepare(MigrationSettings, SERVICE)
    MIGRATIONS.upgrade(settings.migration_database_url.get_secret_value())


COMMANDS = {
    "serve": Command(run_serve, "answer requests until SIGTERM"),
    "migrate": Command(run_migrate, "make the functions and indexes that search needs; after admin's own migrations"),
}

if __name__ == "__main__":
    run_command("query_service", SERVICE, COMMANDS)
