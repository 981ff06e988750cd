"""Clients for calls to other services: bounded in time, connections and retries (requirement A11)."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx

from artstore_kit.calls import Calls, Dependency
from artstore_kit.http1 import Http1Transport

CONNECT_SECONDS = 3.0
IDLE_SECONDS = 30.0
"""Between two pieces of a stream, not for the whole of it."""


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)


def outgoing_client(
    calls: Calls,
    dependency: Dependency,
    *,
    ca_file: Path | None = None,
    base_url: str = "",
    auth: httpx.Auth | None = None,
    max_connections: int = 100,
    timeout: httpx.Timeout | None = None,
) -> httpx.AsyncClient:
    """An httpx client that hands on request and trace ids. It follows no redirects and reads no proxy settings."""
    return httpx.AsyncClient(
        base_url=base_url,
        auth=auth,
        transport=calls.through(Http1Transport(tls_context(ca_file), max_connections=max_connections), dependency),
        timeout=timeout or httpx.Timeout(IDLE_SECONDS, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS),
        follow_redirects=False,
        trust_env=False,
    )
