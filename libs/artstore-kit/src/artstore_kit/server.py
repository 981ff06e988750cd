"""Running an app: uvicorn with uvloop, and a stop that finishes what is in flight."""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, cast

import uvicorn
import uvloop
from fastapi import FastAPI

from artstore_kit.certificates import CHECK_SECONDS, Certificates
from artstore_kit.protocol import BoundedHttpProtocol
from artstore_kit.settings import ServiceSettings

KEEP_ALIVE_SECONDS = 75
"""Longer than the gateway keeps an idle upstream connection (60 s), so that it never sends into a closing one."""
TLS_GOODBYE_SECONDS = 2.0
TLS_HELLO_SECONDS = 15.0
"""A connection that does not come to terms about TLS by then holds its place for nothing."""
GC_THRESHOLDS = (10_000, 20, 50)
"""Objects, and rounds, between two collections: requests leave hardly any cycles behind."""
_TICK_SECONDS = 0.1
_LAST = (b"connection", b"close")


class Loop(uvloop.Loop):
    """uvloop, but a TLS connection may take two seconds to say goodbye, not thirty.

    A client's idle pooled connection is not being read, so it never answers `close_notify`, and a stopping server
    would wait the whole default time for it.
    """

    async def create_server(self, *args: Any, **kwargs: Any) -> asyncio.Server:
        if kwargs.get("ssl") is not None:
            kwargs.setdefault("ssl_handshake_timeout", TLS_HELLO_SECONDS)
            kwargs.setdefault("ssl_shutdown_timeout", TLS_GOODBYE_SECONDS)
        # Not an asyncio.Server, but the same face; asyncio's own annotations know of no other.
        return cast("asyncio.Server", await super().create_server(*args, **kwargs))


class _Server(uvicorn.Server):
    def __init__(
        self,
        config: uvicorn.Config,
        app: FastAPI,
        certificates: Certificates | None,
        check_seconds: float,
        drain_seconds: float,
    ) -> None:
        super().__init__(config)
        self._app, self._certificates, self._check_seconds = app, certificates, check_seconds
        self._drain_seconds = drain_seconds
        self._watching: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._app.state.health.draining = True
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        _spare_the_collector()
        if self._certificates is not None:
            now = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, now.set)
            self._watching = asyncio.create_task(self._certificates.watch(now, self._check_seconds), name="tls")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
        await self._hand_over()
        await super().shutdown(sockets)

    async def _hand_over(self) -> None:
        """Goes on answering until all who send requests here have heard that they should send them elsewhere.

        A server that stops at once refuses whoever has not heard yet, and closes idle connections while a request may be
        on its way. Here each answer is its connection's last, so that hardly any is left at the end.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self._drain_seconds
        while loop.time() < until and not self.force_exit:
            await self.on_tick(0)  # the date of the answers
            self.server_state.default_headers = [*self.server_state.default_headers, _LAST]
            await asyncio.sleep(_TICK_SECONDS)


def _spare_the_collector() -> None:
    """What a service is made of lives as long as it does. Left to the collector, all of it would be looked through again
    every few hundred requests, at a tenth of the time that those take."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def raise_descriptor_limit() -> None:
    """As many files and connections as this process may have. The soft limit is often 1,024, for the sake of programs that
    use select(2), as this one does not; idle connections alone can use that up, and then no file can be opened."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def serve(
    app: FastAPI,
    settings: ServiceSettings,
    *,
    ssl_certfile: Path | None = None,
    ssl_keyfile: Path | None = None,
    certificate_check_seconds: float = CHECK_SECONDS,
) -> None:
    """Serves until SIGTERM or SIGINT and `drain_seconds` longer, then finishes the requests in flight within the grace period.

    A second SIGINT stops at once. Returns normally after a graceful stop. A certificate that was renewed on the disk is
    in use for new connections within `certificate_check_seconds`, or at once on SIGHUP.
    """
    raise_descriptor_limit()
    certificates = Certificates(ssl_certfile, ssl_keyfile) if ssl_certfile else None
    if certificates is not None:
        certificates.watch_end(app.state.registry)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop=f"{__name__}:Loop",
        http=BoundedHttpProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.shutdown_grace_seconds,
        ssl_certfile=str(ssl_certfile) if ssl_certfile else None,
        ssl_keyfile=str(ssl_keyfile) if ssl_keyfile else None,
        ssl_context_factory=_listening_with(certificates) if certificates else None,
    )
    # uvicorn raises the signal again after a clean stop; without this, `kill` would look like a failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    if certificates is not None:
        # Until the server listens for it, and after it has stopped: to whoever renews a certificate, no reason to die.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    server = _Server(config, app, certificates, certificate_check_seconds, settings.drain_seconds)
    server.run()
    if not server.started:
        raise SystemExit(3)


def _listening_with(
    certificates: Certificates,
) -> Callable[[uvicorn.Config, Callable[[], ssl.SSLContext]], ssl.SSLContext]:
    """uvicorn's own way to make a context, which it otherwise goes once and never again."""
    return lambda _config, load: certificates.listen_with(load)
