"""`adopt`: makes a copied data root SE_STORAGE_ID's (requirement S5)."""

from __future__ import annotations

import argparse

from artstore_core.modes import Mode

from storage_element.commands.common import data_root, keep_ballast, report, say
from storage_element.config import DataRootSettings
from storage_element.disk.adoption import Adoption
from storage_element.disk.filesystem import RealFileSystem

WORDS = "make SE_DATA_DIR, a copy of a data root, SE_STORAGE_ID's (writes the marker; a new index in a new epoch)"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mode", type=Mode, choices=list(Mode), help="default: the one that the copy has")


def run(settings: DataRootSettings, given: argparse.Namespace) -> int:
    before = Adoption(settings.data_dir, RealFileSystem(), settings.storage_id, report).run(given.mode)
    keep_ballast(settings)
    say(f"{settings.storage_id}: adopted from {before or 'nobody'}, mode {data_root(settings).mode()}")
    return 0
