"""`checkpoint`: puts everything that is logged into its place, so that the directory alone is the whole element."""

from __future__ import annotations

import argparse
import sys

from storage_element.commands.common import data_root, say
from storage_element.config import DataRootSettings
from storage_element.disk.opening import RootInUse

WORDS = "empty the log of an element that is not running, so that its directory can be copied"


def arguments(parser: argparse.ArgumentParser) -> None:
    """None."""


def run(settings: DataRootSettings, given: argparse.Namespace) -> int:  # noqa: ARG001 - all commands are called alike
    root = data_root(settings)
    try:
        root.open_root()
    except RootInUse as error:
        sys.stderr.write(
            f"{settings.storage_id}: {error.message} "
            "A running element makes a checkpoint on POST /api/v1/maintenance/checkpoint.\n"
        )
        return 1
    try:
        say(f"{settings.storage_id}: checkpoint at change {root.index.applied}")
    finally:
        root.close_root()
    return 0
