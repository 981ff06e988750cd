"""Asking parts how they are: their own readiness, not just whether a process exists."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from artstore_stack.addresses import element_url, service_url
from artstore_stack.errors import StackError
from artstore_stack.parts import ELEMENTS, Part
from artstore_stack.ports import HOST, Ports
from artstore_stack.postgres import Postgres


@dataclass(frozen=True, slots=True)
class PartHealth:
    """`state` is `ok`, `degraded`, `fail` or `unreachable`; `reason` says why it is not `ok`."""

    state: str
    reason: str = ""

    @property
    def ok(self) -> bool:
        return self.state == "ok"


class HealthChecks:
    """Readiness of every part of one stack."""

    def __init__(self, ports: Ports, postgres: Postgres, ca: Path, routes: Path) -> None:
        """`routes`: the file that is there once the gateway has routes to every storage element."""
        self._ports, self._postgres, self._ca, self._routes = ports, postgres, ca, routes

    def of(self, part: Part) -> PartHealth:
        if part is Part.POSTGRES:
            accepts = self._postgres.accepts_connections()
            return PartHealth("ok") if accepts else PartHealth("unreachable", "takes no connections")
        if part is Part.ENVOY:
            return self._envoy()
        if part is Part.ROUTES:
            written = self._routes.exists()
            return PartHealth("ok") if written else PartHealth("fail", "has not written the routes yet")
        base = element_url(part, self._ports) if part in ELEMENTS else service_url(part, self._ports)
        return self._service(f"{base}/health/ready")

    def wait(self, part: Part, seconds: float, alive: Callable[[Part], bool]) -> None:
        """Return once `part` is `ok`. Raises StackError when time is up or its process is gone for good."""
        deadline = time.monotonic() + seconds
        while not (health := self.of(part)).ok:
            if not alive(part):
                raise StackError(f"{part} ended while it was starting")
            if time.monotonic() > deadline:
                raise StackError(f"{part} is not ready after {seconds:.0f} s: {health.state}, {health.reason}")
            time.sleep(0.1)

    def _envoy(self) -> PartHealth:
        answer = _get(f"http://{HOST}:{self._ports.envoy_control}/ready", None)
        if answer is None:
            return PartHealth("unreachable", "no answer")
        return PartHealth("ok") if answer.status_code == 200 else PartHealth("fail", answer.text.strip())

    def _service(self, url: str) -> PartHealth:
        context = ssl.create_default_context(cafile=self._ca) if url.startswith("https") else None
        answer = _get(url, context)
        if answer is None:
            return PartHealth("unreachable", "no answer")
        try:
            body = answer.json()
            bad = {name: found for name, found in body["dependencies"].items() if found["status"] != "ok"}
            reasons = "; ".join(f"{name}: {found.get('reason') or found['status']}" for name, found in bad.items())
            return PartHealth(str(body["status"]), reasons)
        except (ValueError, KeyError, TypeError, AttributeError):
            return PartHealth("fail", f"HTTP {answer.status_code} in an unknown form")


def _get(url: str, context: ssl.SSLContext | None) -> httpx.Response | None:
    # No proxy of the environment: these are all on this machine.
    try:
        with httpx.Client(verify=context or False, trust_env=False, timeout=5) as client:
            return client.get(url)
    except httpx.TransportError:
        return None
