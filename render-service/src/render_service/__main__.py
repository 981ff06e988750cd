"""`python -m render_service migrate|serve|worker`."""

from __future__ import annotations

from artstore_kit.commands import Command, prepare, run_command
from artstore_kit.server import serve

from render_service.config import MigrationSettings, Settings
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


COMMANDS = {
    "serve": Command(run_serve, "answer requests until SIGTERM"),
    "worker": Command(run_worker, "make previews until SIGTERM; more of them share the work"),
    "migrate": Command(run_migrate, "make the schema `render`; after admin's own migrations"),
}

if __name__ == "__main__":
    run_command("render_service", SERVICE, COMMANDS)
