"""Liveness and readiness (requirement A6)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from artstore_core.files import Moment
from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry, Gauge
from pydantic import BaseModel

CHECK_TIMEOUT_SECONDS = 2.0
CACHE_SECONDS = 1.0


class State(StrEnum):
    OK = "ok"
    DEGRADED = "degraded"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One dependency. `probe` raises when it is not well; `required` makes that a `fail` instead of `degraded`.

    Require only what no request can do without: a failing pod gets no requests at all.
    """

    name: str
    probe: Callable[[], Awaitable[None]]
    required: bool = False


class DependencyState(BaseModel):
    status: State
    reason: str | None = None


class Readiness(BaseModel):
    status: State
    service: str
    version: str
    dependencies: dict[str, DependencyState]


class Liveness(BaseModel):
    status: State
    timestamp: Moment
    version: str
    service: str


class Unhealthy(Exception):
    """A probe's finding, in words that may be shown."""


class Health:
    """Runs all checks at once, each within two seconds, at most once a second however many ask.

    What they found last is in the metrics; to read those asks nobody anything.
    """

    def __init__(self, service: str, version: str, checks: Sequence[Check], registry: CollectorRegistry) -> None:
        self._service, self._version, self._checks = service, version, checks
        self._up = Gauge(
            "artstore_dependency_up", "1 if the last probe found it well", ["dependency"], registry=registry
        )
        self._probed = Gauge(
            "artstore_dependency_probe_seconds", "How long that took", ["dependency"], registry=registry
        )
        self._lock = asyncio.Lock()
        self._seen: tuple[float, Readiness] | None = None
        self.draining = False

    async def readiness(self) -> Readiness:
        async with self._lock:
            if self.draining:
                return self._summary({"server": DependencyState(status=State.FAIL, reason="shutting down")})
            if self._seen and time.monotonic() - self._seen[0] < CACHE_SECONDS:
                return self._seen[1]
            states = await asyncio.gather(*(self._measured(check) for check in self._checks))
            summary = self._summary(dict(zip((check.name for check in self._checks), states, strict=True)))
            self._seen = time.monotonic(), summary
            return summary

    async def _measured(self, check: Check) -> DependencyState:
        began = time.perf_counter()
        state = await self._run(check)
        self._probed.labels(check.name).set(time.perf_counter() - began)
        self._up.labels(check.name).set(state.status is State.OK)
        return state

    async def _run(self, check: Check) -> DependencyState:
        bad = State.FAIL if check.required else State.DEGRADED
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
                await check.probe()
        except TimeoutError:
            return DependencyState(status=bad, reason=f"no answer within {CHECK_TIMEOUT_SECONDS:g} s")
        except Unhealthy as finding:
            return DependencyState(status=bad, reason=str(finding))
        except Exception as error:  # noqa: BLE001  whatever a dependency does, readiness must answer
            # The kind of error says enough; its text may hold addresses, SQL or paths.
            return DependencyState(status=bad, reason=type(error).__name__)
        return DependencyState(status=State.OK)

    def _summary(self, states: dict[str, DependencyState]) -> Readiness:
        found = {state.status for state in states.values()}
        worst = next((state for state in (State.FAIL, State.DEGRADED) if state in found), State.OK)
        return Readiness(status=worst, service=self._service, version=self._version, dependencies=states)

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/health", tags=["health"])

        @router.get("/live")
        async def live() -> Liveness:
            """Is the process there and its event loop turning?"""
            return Liveness(status=State.OK, timestamp=datetime.now(UTC), version=self._version, service=self._service)

        @router.get("/ready", responses={503: {"model": Readiness}})
        async def ready(response: Response) -> Readiness:
            """Can it do its work? Each dependency with its own state."""
            summary = await self.readiness()
            response.status_code = 503 if summary.status is State.FAIL else 200
            return summary

        return router
