"""`init`: makes SE_DATA_DIR the data root of SE_STORAGE_ID."""

from __future__ import annotations

import argparse

from artstore_core.modes import Mode
from artstore_tickets import utc_now

from storage_element.commands.common import data_root, keep_ballast, say
from storage_element.config import DEFAULT_MODE, DataRootSettings

WORDS = "make SE_DATA_DIR the data root of SE_STORAGE_ID (writes the marker)"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mode", type=Mode, choices=list(Mode), default=DEFAULT_MODE, help="default: %(default)s")


def run(settings: DataRootSettings, given: argparse.Namespace) -> int:
    root = data_root(settings)
    made = root.initialise(given.mode, utc_now())
    keep_ballast(settings)
    say(f"{settings.storage_id}: {'initialised' if made else 'was initialised before'}, mode {root.mode()}")
    return 0
