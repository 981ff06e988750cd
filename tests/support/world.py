"""What the whole-stack tests share: a running stack, a client that knows only the public API, and real files."""

from __future__ import annotations

import hashlib
import io
import socket
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from artstore_stack import Stack
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

ROOT = Path(__file__).resolve().parents[2]
PAGE_OFFSET = 95
"""Where a test may serve a page whose scripts call the gateway: an origin of its own, which the gateway knows."""
OFFSETS = (0, 10, 11, 20, 30, 40, 41, 80, 81, 90, 91, PAGE_OFFSET)
"""Every port of a stack, counted from its base."""
MAX_UPLOAD_BYTES = 512 * 1024 * 1024
"""What the stack of the tests takes in one request."""


_FIRST_BASE, _BASES_OF_ONE = 12_000, 10_000


def port_bases(worker: str) -> range:
    """Bases of one of pytest-xdist's workers (`gw0`, `gw1`), below the ports that the system gives out by itself: two
    stacks that start at the same time would else find the same one free."""
    number = int(worker.removeprefix("gw")) % 2 if worker.startswith("gw") else 0
    first = _FIRST_BASE + number * _BASES_OF_ONE
    return range(first, first + _BASES_OF_ONE, 100)


def free_port_base(candidates: Iterable[int] = port_bases("")) -> int:
    """A base whose ports nobody listens on now."""
    for base in candidates:
        if all(_free(base + offset) for offset in OFFSETS):
            return base
    raise RuntimeError("no free range of ports")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def page_origin(base: int) -> str:
    return f"http://127.0.0.1:{base + PAGE_OFFSET}"


def pdf(words: str, pages: int = 3) -> bytes:
    """A real PDF."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    for page in range(pages):
        canvas.drawString(72, 720, f"{words} {page + 1}")
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class World:
    """The stack, and plain HTTP through its gateway."""

    stack: Stack
    http: httpx.Client
    _tokens: dict[str, str] = field(default_factory=dict)

    @property
    def credentials(self) -> dict[str, Any]:
        return dict(self.stack.credentials)

    @property
    def gateway(self) -> str:
        return str(self.credentials["gateway"])

    @property
    def page_port(self) -> int:
        return int(self.gateway.rpartition(":")[2]) - 80 + PAGE_OFFSET

    @property
    def ca(self) -> str:
        path = Path(self.credentials["ca"])
        return str(path if path.is_absolute() else ROOT / path)

    def account(self, name: str) -> tuple[str, str]:
        account = self.credentials["service_accounts"][name]
        return account["client_id"], account["client_secret"]

    def new_token(self, account: str = "client", **form: str) -> str:
        answer = self.http.post(
            f"{self.gateway}/api/v1/auth/token",
            data={"grant_type": "client_credentials", **form},
            auth=self.account(account),
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def bearer(self, account: str = "client", **form: str) -> dict[str, str]:
        """A token is asked for once a test run and account: it lives for 15 minutes."""
        key = f"{account} {sorted(form.items())}"
        if key not in self._tokens:
            self._tokens[key] = self.new_token(account, **form)
        return {"Authorization": f"Bearer {self._tokens[key]}"}

    def upload(self, content: bytes, name: str = "файл.pdf", **fields: str) -> httpx.Response:
        return self.http.post(
            f"{self.gateway}/api/v1/files/upload",
            data=fields,
            files={"file": (name, content)},
            headers=self.bearer(),
        )

    def uploaded(self, content: bytes, name: str = "файл.pdf", **fields: str) -> dict[str, Any]:
        answer = self.upload(content, name, **fields)
        assert answer.status_code == 201, answer.text
        file: dict[str, Any] = answer.json()
        return file

    def download(self, file_id: str, **headers: str) -> httpx.Response:
        return self.http.get(f"{self.gateway}/api/v1/files/{file_id}/download", headers={**self.bearer(), **headers})

    def link(self, file_id: str, disposition: str | None = None) -> str:
        """A url that opens the file without a token, for ten minutes."""
        asked = {} if disposition is None else {"disposition": disposition}
        url = f"{self.gateway}/api/v1/files/{file_id}/links"
        answer = self.http.post(url, json=asked, headers=self.bearer())
        assert answer.status_code == 200, answer.text
        return str(answer.json()["url"])

    def search(self, **body: Any) -> httpx.Response:
        return self.http.post(f"{self.gateway}/api/v1/search", json=body, headers=self.bearer())

    def ready(self, service: str) -> httpx.Response:
        """`/health/ready`, asked of the process itself."""
        url = {**self.credentials["services"], **self.credentials["storage_elements"]}[service]
        return self.http.get(f"{url}/health/ready")


def curl(*arguments: str, cwd: Path | None = None) -> str:
    """curl as a user types it; fails the test when curl fails."""
    done = subprocess.run(["curl", "-sS", *arguments], capture_output=True, text=True, cwd=cwd, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def within(seconds: float, holds: Callable[[], bool], what: str) -> None:
    """Asks again until it holds; fails when the time is over."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.1)
