"""Writes the traces of one upload, search, download and preview into docs/observability*.md: `make traces`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

from exported_metrics import DOCUMENTS
from watched_stack import Done, done_in, lines, watched_stack
from world import port_bases

_PLACE: Final = re.compile(r"(<!-- trace (\w+) -->\n```text\n).*?(```\n)", re.DOTALL)
_TO_THE_DISK: Final = (("storage-element", "open file"), ("storage-element", "read and send"))


def main() -> None:
    with watched_stack(port_bases("")) as watched:
        # The first ones find nothing at hand: no connection, no key, no plan.
        done_in(watched)
        trees = _trees(done_in(watched))
    for path in DOCUMENTS.values():
        _write(path, trees)
    sys.stdout.write("".join(trees.values()))


def _trees(done: Done) -> dict[str, str]:
    watched = done.watched
    traces = {
        "upload": watched.trace_of(done.upload, ("storage-element", "commit"), ("admin-service", "INSERT")),
        "search": watched.trace_of(done.search, ("query-service", "WITH search_ranked")),
        "redirected": watched.trace_of(done.download, *_TO_THE_DISK),
        "proxied": watched.trace_of(done.proxied, *_TO_THE_DISK),
        "preview": watched.trace(
            "artstore.file_id", done.file_id, ("render-worker", "UPDATE end_run"), root="render job"
        ),
    }
    return {name: "".join(f"{line}\n" for line in lines(trace)) for name, trace in traces.items()}


def _write(path: Path, trees: dict[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    path.write_text(_PLACE.sub(lambda found: f"{found[1]}{trees[found[2]]}{found[3]}", text), encoding="utf-8")


if __name__ == "__main__":
    main()
