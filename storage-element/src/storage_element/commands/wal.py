"""`wal dump`: the log, one JSON object a line, as far as it can be read."""

from __future__ import annotations

import argparse
import json
from typing import Any

from storage_element.commands.common import say
from storage_element.config import DataRootSettings
from storage_element.disk.dossier import records_of
from storage_element.disk.durable import Durable
from storage_element.disk.failures import meaning
from storage_element.disk.filesystem import RealFileSystem
from storage_element.disk.layout import Layout
from storage_element.disk.wal.format import Malformed
from storage_element.disk.wal.reader import LogDamaged, LogReader, Tail
from storage_element.disk.wal.segments import Segments

WORDS = "look into the log"


def arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_subparsers(dest="what", required=True)
    what.add_parser("dump", help="one JSON object a record; ends with 1 at damage, and says where that is")


def run(settings: DataRootSettings, given: argparse.Namespace) -> int:  # noqa: ARG001 - all commands are called alike
    filesystem = RealFileSystem()
    segments = Segments(Layout(settings.data_dir).wal, filesystem, Durable(filesystem))
    try:
        with meaning():
            for part in LogReader(segments, filesystem, settings.storage_id).everything():
                if isinstance(part, Tail):
                    _line({"segment": part.path.name, "offset": part.offset, "torn": part.reason, "bytes": part.size})
                else:
                    for about in records_of(part):
                        _line(about)
    except LogDamaged as damage:
        _line({"segment": damage.path.name, "offset": damage.offset, "damaged": damage.reason})
        return 1
    except Malformed as error:
        _line({"damaged": str(error)})
        return 1
    return 0


def _line(about: dict[str, Any]) -> None:
    say(json.dumps(about))
