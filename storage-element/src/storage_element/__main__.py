"""`python -m storage_element init --mode rw` and `python -m storage_element serve`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from artstore_core.errors import ArtStoreError
from artstore_core.modes import Mode
from artstore_kit.commands import prepare
from artstore_kit.server import serve
from artstore_kit.settings import load
from artstore_tickets import utc_now

from storage_element.config import DEFAULT_MODE, DataRootSettings, Settings
from storage_element.disk.filesystem import RealFileSystem
from storage_element.disk.root import DataRoot
from storage_element.main import SERVICE, build


def main(arguments: Sequence[str] | None = None) -> int:
    """0 done, 1 refused, 2 wrong use or settings."""
    parser = argparse.ArgumentParser(prog="python -m storage_element", description=SERVICE.description)
    commands = parser.add_subparsers(dest="command", required=True)
    init = commands.add_parser("init", help="make SE_DATA_DIR the data root of SE_STORAGE_ID (writes the marker)")
    init.add_argument("--mode", type=Mode, choices=list(Mode), default=DEFAULT_MODE, help="default: %(default)s")
    commands.add_parser("serve", help="serve until SIGTERM")
    given = parser.parse_args(arguments)
    return _init(given.mode) if given.command == "init" else _serve()


def _init(mode: Mode) -> int:
    settings = load(DataRootSettings)
    root = DataRoot(settings.data_dir, RealFileSystem(), settings.storage_id, lambda *_: None)
    try:
        made = root.initialise(mode, utc_now())
        print(f"{settings.storage_id}: {'initialised' if made else 'was initialised before'}, mode {root.mode()}")
    except ArtStoreError as error:
        print(f"{settings.storage_id}: {error.message}", file=sys.stderr)
        return 1
    return 0


def _serve() -> int:
    settings = prepare(Settings, SERVICE)
    serve(build(settings), settings, ssl_certfile=settings.tls_cert_file, ssl_keyfile=settings.tls_key_file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
