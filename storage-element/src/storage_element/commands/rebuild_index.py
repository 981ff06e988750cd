"""`rebuild-index`: makes the index anew from the records."""

from __future__ import annotations

import argparse

from storage_element.commands.common import data_root, progress, say
from storage_element.config import DataRootSettings

WORDS = "make the index of an element that is not running anew (begins a new epoch)"


def arguments(parser: argparse.ArgumentParser) -> None:
    """None."""


def run(settings: DataRootSettings, given: argparse.Namespace) -> int:  # noqa: ARG001 - all commands are called alike
    files = data_root(settings).rebuild_index(progress)
    say(f"{settings.storage_id}: {files} files in the index")
    return 0
