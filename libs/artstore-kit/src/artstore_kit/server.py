"""Running an app: uvicorn with uvloop, and a stop that finishes what is in flight."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from types import FrameType
from typing import Any, cast

import uvicorn
import uvloop
from fastapi import FastAPI

from artstore_kit.protocol import BoundedHttpProtocol
from artstore_kit.settings import ServiceSettings

KEEP_ALIVE_SECONDS = 75
"""Longer than the gateway keeps an idle upstream connection (60 s), so that it never sends into a closing one."""
TLS_GOODBYE_SECONDS = 2.0


class Loop(uvloop.Loop):
    """uvloop, but a TLS connection may take two seconds to say goodbye, not thirty.

    A client's idle pooled connection is not being read, so it never answers `close_notify`, and a stopping server
    would wait the whole default time for it.
    """

    async def create_server(self, *args: Any, **kwargs: Any) -> asyncio.Server:
        if kwargs.get("ssl") is not None:
            kwargs.setdefault("ssl_shutdown_timeout", TLS_GOODBYE_SECONDS)
        # Not an asyncio.Server, but the same face; asyncio's own annotations know of no other.
        return cast("asyncio.Server", await super().create_server(*args, **kwargs))


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._app.state.health.draining = True
        super().handle_exit(sig, frame)


def serve(
    app: FastAPI,
    settings: ServiceSettings,
    *,
    ssl_certfile: Path | None = None,
    ssl_keyfile: Path | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT, then finishes the requests in flight within the grace period.

    A second signal stops at once. Returns normally after a graceful stop.
    """
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
    )
    # uvicorn raises the signal again after a clean stop; without this, `kill` would look like a failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    server = _Server(config, app)
    server.run()
    if not server.started:
        raise SystemExit(3)
