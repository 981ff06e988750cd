"""Writes each dashboard into the directory that is given."""

from __future__ import annotations

import sys
from pathlib import Path

from artstore_dashboards import boards, rendered


def main(arguments: list[str]) -> int:
    directory = Path(arguments[0])
    directory.mkdir(parents=True, exist_ok=True)
    for board in boards():
        (directory / f"{board.uid}.json").write_text(rendered(board), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
