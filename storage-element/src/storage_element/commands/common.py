"""What the commands share."""

from __future__ import annotations

import sys

from storage_element.config import DataRootSettings
from storage_element.disk.ballast import Ballast
from storage_element.disk.filesystem import RealFileSystem
from storage_element.disk.layout import Layout
from storage_element.disk.root import DataRoot


def data_root(settings: DataRootSettings) -> DataRoot:
    return DataRoot(settings.data_dir, RealFileSystem(), settings.storage_id, report)


def keep_ballast(settings: DataRootSettings) -> None:
    Ballast(Layout(settings.data_dir), RealFileSystem(), settings.ballast_bytes).keep()


def say(text: str) -> None:
    """What was asked for goes to stdout; everything else does not."""
    sys.stdout.write(f"{text}\n")


def report(event: str, name: str) -> None:
    """What recovery found, to people."""
    sys.stderr.write(f"{event}: {name}\n")


def progress(done: int, of: int) -> None:
    """Directories that are done; a line each 256 of them, and the last."""
    if done == of or (done and done % 256 == 0):
        sys.stderr.write(f"{done} of {of} directories\n")
