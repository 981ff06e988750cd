"""`make drills`: runs the commands of docs/drills.md, hardening.md and backup.md, as they stand there, against a stack of its own.

Ends with the code of the first block that fails. Blocks for root are left out for others, and said so.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from docs.tools.pages import ROOT

_MARK = re.compile(r"<!-- tried( after backup\.md)?( as root)? -->\n```bash\n(.*?)```", re.DOTALL)
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
PORT_BASE = "9300"
# What `make drills` has seen to already is not looked at again with each command.
_MAKE = 'make() { command make --silent --no-print-directory --old-file .venv/.ready --old-file .venv/.assets "$@"; }'


@dataclass(frozen=True, slots=True)
class Block:
    """Commands of a page, and the heading under which they stand."""

    title: str
    commands: str
    after_backup: bool
    as_root: bool


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in _MARK.finditer(text):
        title = _HEADING.findall(text, 0, found.start())[-1]
        yield Block(f"{page.stem}: {title}", found[3], bool(found[1]), bool(found[2]))


def in_order(docs: Path) -> list[Block]:
    """The drills, with the looks at safety and the backups where those are spoken of."""
    made: list[Block] = []
    for block in blocks(docs / "drills.md"):
        made += [*blocks(docs / "hardening.md"), *blocks(docs / "backup.md"), block] if block.after_backup else [block]
    return made


def script(all_blocks: list[Block], *, root: bool) -> str:
    """One script: what a block sets, the next ones use."""
    lines = ["set -euo pipefail", _MAKE, "make up DETACH=1 > /dev/null"]
    for block in all_blocks:
        if block.as_root and not root:
            lines.append(f"echo {shlex.quote(block.title + ': left out, it needs root')}")
            continue
        lines += [
            f"echo {shlex.quote('== ' + block.title)}",
            "began=$SECONDS",
            block.commands,
            'echo "   $((SECONDS - began)) s"',
        ]
    return "\n".join(lines) + "\necho 'every drill went as the pages say'\n"


def main() -> int:
    began = time.monotonic()
    with TemporaryDirectory(prefix="artstore-drills-") as directory:
        data = Path(directory, "data")
        environment = {
            **os.environ,
            "ARTSTORE_DATA_DIR": str(data),
            "ARTSTORE_PORT_BASE": os.environ.get("ARTSTORE_PORT_BASE", PORT_BASE),
            "TMPDIR": directory,
        }
        try:
            done = subprocess.run(
                ["bash", "-c", script(in_order(ROOT / "docs"), root=os.geteuid() == 0)],
                cwd=ROOT,
                env=environment,
                check=False,
            )
        finally:
            subprocess.run(["umount", "--quiet", str(data / "elements/se-edit-1")], check=False, capture_output=True)
            subprocess.run(
                [sys.executable, "-m", "artstore_stack", "reset"],
                cwd=ROOT,
                env=environment,
                check=False,
                stdout=subprocess.DEVNULL,
            )
    sys.stdout.write(f"{time.monotonic() - began:.0f} s in all\n")
    return done.returncode


if __name__ == "__main__":
    raise SystemExit(main())
