"""The version before this one: its checkout, with a virtual environment of its own, and its stack."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_KEPT_AT: Final = ROOT / ".venv" / "previous"
_INSTALL_SECONDS: Final = 1200
_UP_SECONDS: Final = 300


@dataclass(frozen=True)
class Previous:
    """`drains`: whether its services go on answering for a while once they shall stop (`…_DRAIN_SECONDS`)."""

    name: str
    checkout: Path

    @property
    def python(self) -> Path:
        return self.checkout / ".venv" / "bin" / "python"

    @property
    def drains(self) -> bool:
        settings = self.checkout / "libs/artstore-kit/src/artstore_kit/settings.py"
        return "drain_seconds" in settings.read_text()

    def up(self, data_dir: Path, port_base: int, environment: Mapping[str, str]) -> None:
        """Its own `make up`, with its own database, migrations and accounts. Raises CalledProcessError."""
        own = {"ARTSTORE_DATA_DIR": str(data_dir), "ARTSTORE_PORT_BASE": str(port_base)}
        command = [str(self.python), "-m", "artstore_stack", "up", "--detach"]
        subprocess.run(
            command,
            cwd=self.checkout,
            env={**environment, **own},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=_UP_SECONDS,
            check=True,
        )


def previous(name: str | None) -> Previous:
    """The tag or commit of this name; without one the newest tag before this commit, else what `FROM` says.

    The checkout and its environment are kept in `.venv/previous`, by commit.
    """
    name = name or _newest_tag() or (Path(__file__).parent / "FROM").read_text().strip()
    commit = _git("rev-parse", "--verify", f"{name}^{{commit}}")
    checkout = _KEPT_AT / commit
    if not (checkout / ".venv" / ".ready").exists():
        checkout.mkdir(parents=True, exist_ok=True)
        with subprocess.Popen(["git", "-C", str(ROOT), "archive", commit], stdout=subprocess.PIPE) as archive:
            subprocess.run(["tar", "-x", "-C", str(checkout)], stdin=archive.stdout, check=True)
        subprocess.run(
            ["make", "--no-print-directory", "-C", str(checkout), "venv"], timeout=_INSTALL_SECONDS, check=True
        )
    return Previous(name, checkout)


def _newest_tag() -> str | None:
    """Before this commit, which may itself have one."""
    found = subprocess.run(
        ["git", "-C", str(ROOT), "describe", "--tags", "--abbrev=0", "HEAD^"],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or None


def _git(*words: str) -> str:
    return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True).stdout.strip()
