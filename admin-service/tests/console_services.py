"""What the console asks of ingester, query and render when it looks after them, by one app that stands in for all three."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_NAMES = ("ingester", "query", "render")


class Services:
    """An ASGI app: `/ingester/health/ready` and the like, and render's list of jobs, `jobs` by state."""

    def __init__(self) -> None:
        self.jobs: dict[str, int] = {}
        self._ready: dict[str, tuple[int, Any]] = {}
        self.well()

    def well(self) -> None:
        self.jobs = {}
        self._ready = {name: (200, _readiness(name, "ok", {"admin": None})) for name in _NAMES}

    def unwell(self, name: str, status: str, reasons: Mapping[str, str]) -> None:
        self._ready[name] = (503 if status == "fail" else 200, _readiness(name, status, reasons))

    def away(self, name: str) -> None:
        """As a proxy would say it."""
        self._ready[name] = (502, {"error": "nobody there"})

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        _, name, rest = scope["path"].split("/", 2)
        status, body = self._ready[name]
        if rest == "api/v1/render-jobs" and status == 200:
            state = scope["query_string"].decode().partition("state=")[2].partition("&")[0]
            body = {"items": [], "total": self.jobs.get(state, 0), "limit": 1, "offset": 0, "has_more": False}
        content = json.dumps(body).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})


def _readiness(name: str, status: str, reasons: Mapping[str, str | None]) -> dict[str, Any]:
    dependencies = {part: {"status": status if reason else "ok", "reason": reason} for part, reason in reasons.items()}
    return {
        "status": status,
        "service": f"{name}-service",
        "version": f"9.9.9-{name}",
        "dependencies": dependencies,
    }
