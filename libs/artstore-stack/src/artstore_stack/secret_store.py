"""Secrets: made once, one file each, never in the environment or on a command line."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from pathlib import Path

from artstore_stack.files import write_private


class SecretStore:
    """A directory of secrets. What is asked for first is made then, and stays the same ever after."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def password(self, name: str) -> str:
        """43 characters of the URL-safe alphabet (256 bits): needs no quoting in a URL, SQL or JSON."""
        return self._get(name, lambda: secrets.token_urlsafe(32))

    def key(self, name: str) -> str:
        """32 random bytes in base64."""
        return self._get(name, lambda: base64.b64encode(secrets.token_bytes(32)).decode())

    def client_id(self, name: str) -> str:
        """`sa_<name>_<random>` (requirement I3)."""
        return self._get(f"client-id-{name}", lambda: f"sa_{name}_{secrets.token_hex(4)}")

    def path(self, name: str) -> Path:
        return self._directory / name

    def store(self, name: str, value: str) -> Path:
        """Write a value that follows from other secrets (a database URL); returns its file."""
        write_private(self.path(name), value + "\n")
        return self.path(name)

    def _get(self, name: str, make: Callable[[], str]) -> str:
        path = self.path(name)
        if not path.exists():
            write_private(path, make() + "\n")
        return path.read_text().strip()
