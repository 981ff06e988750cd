"""Where everything of a stack lies: the one module that makes paths below the data directory."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from artstore_stack.errors import StackError
from artstore_stack.parts import Part

_MAX_SOCKET_PATH = 107 - len(".4194304")  # sun_path, less what supervisord adds while it binds (its pid)
_UNSUPPORTED = ('"', "\n", " #", " ;")  # the supervisor's ini file has no way to quote them


@dataclass(frozen=True)
class Layout:
    """Paths below `root`, the absolute data directory."""

    root: Path

    def __post_init__(self) -> None:
        if any(text in str(self.root) for text in _UNSUPPORTED):
            raise StackError(f"ARTSTORE_DATA_DIR must not hold a quote, a line break, ' #' or ' ;': {self.root}")

    @property
    def record(self) -> Path:
        """Says that this directory is a stack's, and on which ports it last ran."""
        return self.root / "stack.json"

    @property
    def credentials(self) -> Path:
        return self.root / "credentials.json"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def tls(self) -> Path:
        return self.root / "tls"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Generated configuration and caches: may be deleted while the stack is down."""
        return self.root / "run"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def supervisor_log(self) -> Path:
        return self.logs / "supervisord.log"

    @property
    def supervisor_ini(self) -> Path:
        return self.run / "supervisord.ini"

    @property
    def supervisor_socket(self) -> Path:
        """Where a checkout lies too deep for a Unix socket, the socket moves to a private temporary directory."""
        near = self.run / "supervisor.sock"
        if len(os.fsencode(near)) <= _MAX_SOCKET_PATH:
            return near
        name = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return _private_directory() / f"{name}.sock"

    @property
    def envoy_config(self) -> Path:
        return self.run / "envoy.yaml"

    @property
    def gateway_routes(self) -> Path:
        """What Envoy reads while it runs: the routes to storage elements."""
        return self.run / "gateway"

    @property
    def gateway_routes_known(self) -> Path:
        return self.gateway_routes / "elements.json"

    def log(self, part: Part) -> Path:
        return self.logs / f"{part}.log"

    def element(self, part: Part) -> Path:
        return self.root / "elements" / part

    @property
    def renditions(self) -> Path:
        return self.root / "renditions"

    def jwks_cache(self, part: Part) -> Path:
        return self.run / f"jwks-{part}.json"

    def prepare(self, port_base: int) -> None:
        """Make the directories, closed to other users, and note the ports."""
        # Passing through is allowed: under root PostgreSQL runs as a user of its own and must reach its data.
        _make(self.root, 0o711 if os.geteuid() == 0 else 0o700)
        for directory in (self.secrets, self.tls, self.logs, self.run, self.root / "elements"):
            _make(directory, 0o700)
        self.record.write_text(json.dumps({"port_base": port_base}) + "\n")

    def recorded_port_base(self) -> int | None:
        """The ports on which this stack last ran; None where there was none."""
        try:
            return int(json.loads(self.record.read_text())["port_base"])
        except (FileNotFoundError, ValueError, KeyError):
            return None

    def remove(self) -> None:
        """Throw everything away. Raises StackError for a directory that is no stack's."""
        if not self.root.exists():
            return
        if not self.record.exists() and any(self.root.iterdir()):
            raise StackError(f"{self.root} was not made by `make up`: not deleted")
        shutil.rmtree(self.root)


def _make(directory: Path, mode: int) -> None:
    directory.mkdir(mode=mode, parents=True, exist_ok=True)
    directory.chmod(mode)


def _private_directory() -> Path:
    directory = Path(tempfile.gettempdir()) / f"artstore-{os.geteuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise StackError(f"{directory} is not ours alone: remove it, or use a shorter ARTSTORE_DATA_DIR")
    return directory
