"""`python -m render_service serve`."""

from __future__ import annotations

import argparse

from artstore_kit.logs import configure_logs
from artstore_kit.server import serve
from artstore_kit.settings import load

from render_service.config import Settings
from render_service.main import SERVICE, build


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m render_service", description=SERVICE.description)
    parser.add_subparsers(required=True).add_parser("serve", help="answer requests until SIGTERM")
    parser.parse_args()

    settings = load(Settings)
    configure_logs(SERVICE.name, level=settings.log_level, form=settings.log_format)
    serve(build(settings), settings)


if __name__ == "__main__":
    main()
