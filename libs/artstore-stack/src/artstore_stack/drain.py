"""Letting Envoy finish what is in flight; by itself it ends at once on SIGTERM."""

from __future__ import annotations

import time

import httpx

from artstore_stack.ports import HOST, Ports


def drain(ports: Ports, seconds: float) -> None:
    """Take no new connections, then wait for requests to end, up to `seconds`. Does nothing when Envoy is away."""
    base = f"http://{HOST}:{ports.envoy_control}"
    deadline = time.monotonic() + seconds
    try:
        with httpx.Client(base_url=base, trust_env=False, timeout=5) as client:
            client.post("/healthcheck/fail")  # connections that are kept alive get told to close
            client.post("/drain_listeners")
            while _active(client) and time.monotonic() < deadline:
                time.sleep(0.1)
    except httpx.TransportError:
        return


def _active(client: httpx.Client) -> bool:
    text = client.get("/stats", params={"filter": r"^http\.gateway\.downstream_rq_active$"}).text
    return int(text.partition(":")[2] or 0) > 0
