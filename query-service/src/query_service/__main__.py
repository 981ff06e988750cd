"""`python -m query_service migrate|serve`."""

from __future__ import annotations

import argparse

from artstore_kit.logs import configure_logs
from artstore_kit.server import serve
from artstore_kit.settings import ServiceSettings, load

from query_service.config import MigrationSettings, Settings
from query_service.db.migrate import upgrade
from query_service.main import SERVICE, build


def _logs(settings: ServiceSettings) -> None:
    configure_logs(SERVICE.name, level=settings.log_level, form=settings.log_format)


def run_serve() -> None:
    settings = load(Settings)
    _logs(settings)
    serve(build(settings), settings)


def run_migrate() -> None:
    settings = load(MigrationSettings)
    _logs(settings)
    upgrade(settings.migration_database_url.get_secret_value())


COMMANDS = {
    "serve": (run_serve, "answer requests until SIGTERM"),
    "migrate": (run_migrate, "make the functions and indexes that search needs; after admin's own migrations"),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m query_service", description=SERVICE.description)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (_, words) in COMMANDS.items():
        commands.add_parser(name, help=words)
    COMMANDS[parser.parse_args().command][0]()


if __name__ == "__main__":
    main()
