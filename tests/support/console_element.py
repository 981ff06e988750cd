"""One more storage element beside the stack's own: to be added, changed and forgotten without harm to other tests."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from artstore_stack.secret_store import SecretStore
from artstore_stack.tls import LocalCa
from artstore_tickets.keys import element_key, encode_key
from world import World, within

READY_SECONDS = 30.0


@contextmanager
def another_element(world: World, directory: Path, storage_id: str, mode: str = "rw") -> Iterator[str]:
    """Its URL, while it runs. It knows the stack's admin, and admin knows nothing of it."""
    layout = world.stack.layout
    certificate = LocalCa(layout.tls).server(storage_id)
    secrets = SecretStore(directory)
    key = element_key(base64.b64decode(SecretStore(layout.secrets).key("ticket-master-key")), storage_id)
    port = _free_port()
    (directory / "data").mkdir(parents=True)
    told = {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "ISSUER": world.credentials["gateway_tls"],
        "JWKS_URL": f"{world.credentials['services']['admin']}/.well-known/jwks.json",
        "JWKS_CACHE_FILE": str(directory / "jwks.json"),
        "STORAGE_ID": storage_id,
        "DATA_DIR": str(directory / "data"),
        "TLS_CERT_FILE": str(certificate.certificate),
        "TLS_KEY_FILE": str(certificate.key),
        "TICKET_KEY_FILE": str(secrets.store("ticket-key", encode_key(key))),
    }
    environment = {**os.environ, **{f"SE_{name}": value for name, value in told.items()}}
    command = [sys.executable, "-m", "storage_element"]
    subprocess.run([*command, "init", "--mode", mode], env=environment, check=True, capture_output=True, timeout=60)
    url = f"https://127.0.0.1:{port}"
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([*command, "serve"], env=environment, stdout=log, stderr=log)
        try:
            within(READY_SECONDS, lambda: _answers(world, process, url), f"{storage_id} is ready")
            yield url
        finally:
            process.terminate()
            process.wait(READY_SECONDS)


def _answers(world: World, process: subprocess.Popen[bytes], url: str) -> bool:
    assert process.poll() is None, "the element ended"
    try:
        return world.http.get(f"{url}/health/ready").status_code == 200
    except httpx.TransportError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
