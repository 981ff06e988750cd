"""A real clamd with a database of its own, which knows one virus: the harmless one that all scanners know (EICAR)."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from artstore_testing.servers import free_port
from ingester_service.clients.clamd import ClamdAddress

# In two halves, so that no scanner takes this file for infected.
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-" + rb"ANTIVIRUS-TEST-FILE!$H+H*"
SIGNATURE = "Test.EICAR.UNOFFICIAL"
START_SECONDS = 60.0


def clamd_program() -> str:
    """Skips the test where there is none."""
    found = shutil.which("clamd", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))
    if found is None:
        pytest.skip("clamd is needed: apt install clamav-daemon")
    return found


@dataclass
class ClamdProcess:
    """Started and stopped at will, always at the same address. `directory` must have a short path: a socket lies there."""

    directory: Path
    tcp: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None
    _port: int = field(default_factory=free_port)

    @property
    def address(self) -> ClamdAddress:
        return ClamdAddress.parse(self.url)

    @property
    def url(self) -> str:
        return f"tcp://127.0.0.1:{self._port}" if self.tcp else f"unix://{self.directory / 'clamd.ctl'}"

    def start(self) -> None:
        program = clamd_program()
        database = self.directory / "db"
        database.mkdir(exist_ok=True)
        (database / "local.ndb").write_text(f"Test.EICAR:0:*:{EICAR.hex()}\n")
        listen = {"TCPSocket": self._port, "TCPAddr": "127.0.0.1"} if self.tcp else {"LocalSocket": self.url[7:]}
        given = {"Foreground": "yes", "DatabaseDirectory": database, "TemporaryDirectory": self.directory, **listen}
        configuration = self.directory / "clamd.conf"
        configuration.write_text("".join(f"{name} {value}\n" for name, value in (given | self.settings).items()))
        with (self.directory / "clamd.log").open("ab") as log:
            self._process = subprocess.Popen([program, "--config-file", configuration], stdout=log, stderr=log)
        self._wait_until_it_answers()

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
            (self.directory / "clamd.ctl").unlink(missing_ok=True)

    def _wait_until_it_answers(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            log = (self.directory / "clamd.log").read_text()
            assert self._process.poll() is None, log
            assert time.monotonic() < deadline, log
            time.sleep(0.02)

    def _answers(self) -> bool:
        family = socket.AF_INET if self.tcp else socket.AF_UNIX
        with socket.socket(family) as connection:
            connection.settimeout(5)
            try:
                connection.connect(("127.0.0.1", self._port) if self.tcp else self.url[7:])
                connection.sendall(b"zPING\0")
                return connection.recv(16) == b"PONG\0"
            except OSError:
                return False
