"""`python -m render_service serve`."""

from __future__ import annotations

from artstore_kit.commands import Command, prepare, run_command
from artstore_kit.server import serve

from render_service.config import Settings
from render_service.main import SERVICE, build


def run_serve() -> None:
    settings = prepare(Settings, SERVICE)
    serve(build(settings), settings)


COMMANDS = {"serve": Command(run_serve, "answer requests until SIGTERM")}

if __name__ == "__main__":
    run_command("render_service", SERVICE, COMMANDS)
