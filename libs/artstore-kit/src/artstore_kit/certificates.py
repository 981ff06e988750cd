"""The server's own TLS certificate, read anew when it was renewed, with no restart (requirement S10).

uvicorn makes one SSLContext when it starts and listens with it to its end. That context stays; what changes is the one
that its handshakes are handed to: the callback that TLS calls for the server name (RFC 6066 §3) runs in every handshake,
with a name or without, and may put another context in place. So a new pair is loaded into a context of its own, where it
can do no harm when it is broken, and one assignment makes it count for all connections from then on. Connections that
are open keep theirs.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from cryptography import x509
from prometheus_client import CollectorRegistry, Gauge

from artstore_kit.logs import get_logger

CHECK_SECONDS = 10.0
"""How often to look at the files. cert-manager renews days before the end, so this could be slower; it costs nothing."""

ContextFactory = Callable[[], ssl.SSLContext]
"""Loads the files into a new server context. Raises OSError (ssl.SSLError is one)."""


class Log(Protocol):
    """The two calls of a structlog logger that are used here."""

    def info(self, event: str, **fields: Any) -> Any: ...

    def error(self, event: str, **fields: Any) -> Any: ...


class Certificates:
    """One certificate chain and its private key, PEM, as they lie on the disk."""

    def __init__(self, certfile: Path, keyfile: Path | None, log: Log | None = None) -> None:
        self._files = [certfile] if keyfile is None else [certfile, keyfile]
        self._log: Log = log or get_logger("artstore_kit.certificates")
        self._load: ContextFactory | None = None
        self._current: ssl.SSLContext | None = None
        self._seen: bytes | str = b""
        self._ends = math.nan

    def watch_end(self, registry: CollectorRegistry) -> None:
        """For the metrics: until when the certificate in use is good."""
        Gauge(
            "artstore_certificate_not_after_timestamp_seconds",
            "When the certificate in use ends",
            ["certificate"],
            registry=registry,
        ).labels("server").set_function(lambda: self._ends)

    def listen_with(self, load: ContextFactory) -> ssl.SSLContext:
        """The context for the listener; `load` is used again for each renewal. Raises OSError when it cannot start."""
        self._load = load
        self._seen = self._look()
        self._current = listener = load()
        self._ends = self._read_end()

        def choose(connection: ssl.SSLObject, _name: str | None, _listener: ssl.SSLContext) -> None:
            if self._current is not None and self._current is not listener:
                connection.context = self._current

        listener.sni_callback = choose
        return listener

    def refresh(self) -> None:
        """Takes a changed pair over; tells once of one that cannot be used, and goes on with the old one."""
        if self._load is None:
            return
        seen = self._look()
        if seen == self._seen:
            return
        # Noted before the files are read: whatever is written from here on is seen as a change the next time.
        self._seen = seen
        try:
            self._current = self._load()
            self._ends = self._read_end()
        except OSError as error:
            # A pair that is being written (the certificate new, the key not yet) looks like this too.
            self._log.error("the renewed certificate cannot be used; the old one stays", reason=_reason(error))
            return
        self._log.info("the renewed certificate is in use", file=str(self._files[0]))

    async def watch(self, now: asyncio.Event, seconds: float) -> None:
        """For ever: looks every so often, and at once when `now` is set."""
        while True:
            try:
                async with asyncio.timeout(seconds):
                    await now.wait()
            except TimeoutError:
                pass
            now.clear()
            await asyncio.to_thread(self.refresh)

    def _read_end(self) -> float:
        """Unix time. NaN where only OpenSSL can read it."""
        try:
            return x509.load_pem_x509_certificate(self._files[0].read_bytes()).not_valid_after_utc.timestamp()
        except ValueError:
            return math.nan

    def _look(self) -> bytes | str:
        """What tells one state of the files from another. Their content, a few KiB, and not their times: a clock's grain
        hides a second write, and a directory that is swapped by a symlink may hold files of any age.
        """
        digest = hashlib.sha256()
        try:
            for path in self._files:
                digest.update(hashlib.sha256(path.read_bytes()).digest())
        except OSError as error:
            return _reason(error)
        return digest.digest()


def _reason(error: OSError) -> str:
    """In few words, without what OpenSSL says of its own source lines."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return error.strerror or type(error).__name__
