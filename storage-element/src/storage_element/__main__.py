"""`python -m storage_element init --mode rw` and `python -m storage_element serve`."""

from __future__ import annotations

import argparse
import sys

from artstore_core.errors import ArtStoreError
from artstore_core.modes import Mode
from artstore_kit.logs import configure_logs
from artstore_kit.server import serve
from artstore_tickets import utc_now
from pydantic import ValidationError

from storage_element.config import DEFAULT_MODE, DataRootSettings, Settings
from storage_element.disk.filesystem import RealFileSystem
from storage_element.disk.root import DataRoot
from storage_element.main import NAME, build


def main(arguments: list[str] | None = None) -> int:
    """0 done, 1 refused, 2 wrong use or settings."""
    parser = argparse.ArgumentParser(prog="python -m storage_element")
    commands = parser.add_subparsers(dest="command", required=True)
    init = commands.add_parser("init", help="make SE_DATA_DIR the data root of SE_STORAGE_ID (writes the marker)")
    init.add_argument("--mode", type=Mode, choices=list(Mode), default=DEFAULT_MODE, help="default: %(default)s")
    commands.add_parser("serve", help="serve until SIGTERM")
    given = parser.parse_args(arguments)
    try:
        return _init(given.mode) if given.command == "init" else _serve()
    except ValidationError as error:
        for finding in error.errors(include_input=False, include_url=False):
            setting = "_".join(str(part) for part in finding["loc"]).upper()
            print(f"SE_{setting}: {finding['msg']}", file=sys.stderr)
        return 2


def _init(mode: Mode) -> int:
    settings = DataRootSettings()
    root = DataRoot(settings.data_dir, RealFileSystem(), settings.storage_id, lambda *_: None)
    try:
        made = root.initialise(mode, utc_now())
        print(f"{settings.storage_id}: {'initialised' if made else 'was initialised before'}, mode {root.mode()}")
    except ArtStoreError as error:
        print(f"{settings.storage_id}: {error.message}", file=sys.stderr)
        return 1
    return 0


def _serve() -> int:
    settings = Settings()
    configure_logs(NAME, level=settings.log_level, form=settings.log_format)
    serve(build(settings), settings, ssl_certfile=settings.tls_cert_file, ssl_keyfile=settings.tls_key_file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
