"""`inspect <file_id>`: all that the data root knows of one file."""

from __future__ import annotations

import argparse
import json
from typing import Any
from uuid import UUID

from storage_element.commands.common import say
from storage_element.config import DataRootSettings
from storage_element.disk.dossier import Dossier
from storage_element.disk.filesystem import RealFileSystem

WORDS = "tell all that the data root knows of one file; ends with 1 where that is nothing, or does not fit together"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file_id", type=UUID)
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(settings: DataRootSettings, given: argparse.Namespace) -> int:
    found = Dossier(settings.data_dir, RealFileSystem(), settings.storage_id).of(given.file_id)
    if given.json:
        say(json.dumps(found, ensure_ascii=False))
    else:
        _tell(found)
    return 0 if found["known"] and found["data"]["matches"] is not False else 1


def _tell(found: dict[str, Any]) -> None:
    if not found["known"]:
        say(f"{found['file_id']}: nothing is known of it")
    record, data = found["record"], found["data"]
    say(f"record: {record['path']}" + ("" if record["present"] else " (missing)"))
    if "unreadable" in record:
        say(f"  unreadable: {record['unreadable']}")
    for name, value in record.get("content", {}).items():
        say(f"  {name}: {json.dumps(value, ensure_ascii=False)}")
    say(f"data: {data['path']}" + ("" if data["present"] else " (missing)"))
    if data["present"]:
        verdict = {True: "as the record says", False: "NOT what the record says", None: "no record to compare with"}
        say(f"  {data['size']} bytes, sha-256 {data['checksum']}: {verdict[data['matches']]}")
    for one in found["log"]:
        say(f"log: {json.dumps(one)}")
    say(f"index: {json.dumps(found['index'], ensure_ascii=False)}")
    for directory in ("staging", "quarantine"):
        for name in found[directory]:
            say(f"{directory}: {name}")
