"""`verify`: reads the whole element, and says what is wrong. Changes nothing."""

from __future__ import annotations

import argparse
import json

from storage_element.commands.common import progress, say
from storage_element.config import DataRootSettings
from storage_element.disk.filesystem import RealFileSystem
from storage_element.disk.verification import Findings, Verification

WORDS = "read every record and every byte of an element that is not running; ends with 1 where anything is wrong"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the report as JSON")


def run(settings: DataRootSettings, given: argparse.Namespace) -> int:
    verification = Verification(settings.data_dir, RealFileSystem(), settings.storage_id)
    found = verification.run(lambda done, of, _files, _bytes: progress(done, of))
    if given.json:
        say(json.dumps(found.fields(), ensure_ascii=False))
    else:
        _tell(found)
    return 1 if found.problems else 0


def _tell(found: Findings) -> None:
    statuses = ", ".join(f"{count} {status}" for status, count in sorted(found.by_status.items()))
    say(f"{found.storage_id}: {found.files} files ({statuses or 'none'}), {found.bytes} bytes read")
    say(f"log: {found.log_records} records" + (f", torn tail at {found.torn_tail}" if found.torn_tail else ""))
    if found.pending:
        say(f"{found.pending} files of the log were not checked: run `checkpoint`, and verify again")
    say(f"staging: {found.staged}, quarantine: {found.quarantined}")
    for problem in found.problems:
        say(f"{problem.kind}: {problem.path}" + (f" ({problem.detail})" if problem.detail else ""))
    say(f"{len(found.problems)} problems" if found.problems else "nothing is wrong")
