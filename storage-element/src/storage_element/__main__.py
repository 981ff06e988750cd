"""`python -m storage_element serve`, and the commands that look after a data root."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Final

from artstore_core.errors import ArtStoreError
from artstore_kit.commands import prepare
from artstore_kit.server import serve
from artstore_kit.settings import load

from storage_element.commands import adopt, checkpoint, init, inspect, rebuild_index, verify, wal
from storage_element.config import DataRootSettings, Settings
from storage_element.main import SERVICE, build
from storage_element.store.telling import in_full

COMMANDS: Final[dict[str, ModuleType]] = {
    "init": init,
    "adopt": adopt,
    "checkpoint": checkpoint,
    "verify": verify,
    "rebuild-index": rebuild_index,
    "inspect": inspect,
    "wal": wal,
}


def main(arguments: Sequence[str] | None = None, settings: DataRootSettings | None = None) -> int:
    """0 done, 1 refused or something wrong found, 2 wrong use or settings. `settings` stand for the environment."""
    parser = argparse.ArgumentParser(prog="python -m storage_element", description=SERVICE.description)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="serve until SIGTERM")
    for name, command in COMMANDS.items():
        command.arguments(commands.add_parser(name, help=command.WORDS))
    given = parser.parse_args(arguments)
    if given.command == "serve":
        return _serve()
    settings = settings or load(DataRootSettings)
    try:
        done: int = COMMANDS[given.command].run(settings, given)
    except ArtStoreError as error:
        sys.stderr.write(f"{settings.storage_id}: {in_full(error)}\n")
        return 1
    return done


def _serve() -> int:
    settings = prepare(Settings, SERVICE)
    serve(build(settings), settings, ssl_certfile=settings.tls_cert_file, ssl_keyfile=settings.tls_key_file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
