"""The real element: `python -m storage_element serve` on a data root of ours, over TLS, with tokens of our own issuer."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import httpx
from artstore_core.scopes import Scope, element_audience
from artstore_stack.tls import LocalCa
from artstore_testing.servers import free_port
from artstore_testing.tokens import TokenIssuer
from artstore_tickets import encode_key
from storage_element.config import Settings

from power_cut import system

STORAGE_ID: Final = "se-power-cut"
SERVE: Final = ("-m", "storage_element", "serve")
START_SECONDS: Final = 30.0
_TOKEN_SECONDS: Final = 6 * 3600


class NotReady(Exception):
    """The element does not come up; with what it says about it."""


class Setup:
    """Keys, certificate, tokens and settings of one element. `data` need not exist yet."""

    def __init__(self, directory: Path, data: Path, changes: dict[str, str]) -> None:
        directory.mkdir()
        self.data, self._changes = data, changes
        self.issuer = TokenIssuer()
        self._ca = LocalCa(directory)
        self._server = self._ca.server("element")
        self._jwks = directory / "jwks.json"
        self._jwks.write_text(json.dumps(self.issuer.jwks()))
        self._port = 0

    @property
    def environment(self) -> dict[str, str]:
        """The element's settings. It never needs the JWKS server: its cache holds the keys."""
        own = {
            "SE_PORT": str(self._port),
            "SE_STORAGE_ID": STORAGE_ID,
            "SE_DATA_DIR": str(self.data),
            "SE_TLS_CERT_FILE": str(self._server.certificate),
            "SE_TLS_KEY_FILE": str(self._server.key),
            "SE_TICKET_KEY": encode_key(bytes(32)),
            "SE_ISSUER": self.issuer.issuer,
            "SE_JWKS_URL": "http://127.0.0.1:9/",
            "SE_JWKS_CACHE_FILE": str(self._jwks),
            "SE_LOG_LEVEL": "warning",
        }
        ours = str(Path(__file__).resolve().parents[1])
        search = os.pathsep.join([ours, *filter(None, [os.environ.get("PYTHONPATH")])])
        return {"PATH": os.environ["PATH"], "PYTHONPATH": search, **own, **self._changes}

    def settings(self) -> Settings:
        """The same for an element in this process."""
        given = {name.removeprefix("SE_").lower(): value for name, value in self.environment.items()}
        return Settings(**{name: value for name, value in given.items() if name in Settings.model_fields})  # type: ignore[arg-type]

    @property
    def client_options(self) -> dict[str, Any]:
        """For an httpx client of the process that runs now: it trusts this element and may do everything."""
        url = f"https://127.0.0.1:{self._port}"
        return {"base_url": url, "verify": self._context, "headers": self.bearer, "timeout": START_SECONDS}

    @cached_property
    def bearer(self) -> dict[str, str]:
        return self.issuer.bearer(
            tuple(Scope), audience=element_audience(STORAGE_ID), lifetime=_TOKEN_SECONDS, subject="sa:sa_power_cut"
        )

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self._ca.certificate))

    def init(self) -> None:
        """Makes the data root. Raises NotReady."""
        command = [sys.executable, "-m", "storage_element", "init", "--mode", "edit"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise NotReady(done.stderr[-2000:])

    @contextmanager
    def running(self, log: Path, program: Sequence[str] = SERVE) -> Iterator[None]:
        """The process, from its readiness until the block ends; then it is killed. Raises NotReady."""
        self._port = free_port()  # anew each time: somebody else may have taken the last one meanwhile
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *program],
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a ctrl-C is for this process, which then ends that one
                preexec_fn=system.die_with_parent,
            )
        try:
            self._wait(process, log)
            yield
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()

    def _wait(self, process: subprocess.Popen[bytes], log: Path) -> None:
        deadline = time.monotonic() + START_SECONDS
        with httpx.Client(**self.client_options) as client:
            while time.monotonic() < deadline and process.poll() is None:
                try:
                    if client.get("/api/v1/info").is_success:
                        return
                except httpx.TransportError:
                    pass
                time.sleep(0.02)
        raise NotReady(log.read_text(errors="replace")[-2000:].strip() or f"exit code {process.poll()}")
