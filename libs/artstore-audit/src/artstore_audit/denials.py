"""Refusals as entries: each kind at once, and its repetitions as one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from artstore_auth.guard import current_principal
from artstore_core.errors import ArtStoreError
from artstore_kit.context import current_request_id
from artstore_kit.logs import shown_path
from fastapi import Request

from artstore_audit.entry import ANONYMOUS, Entry, Outcome

DENIED = "access.denied"
WINDOW_SECONDS = 60.0
MAX_KINDS = 256
OTHERS = "others"
"""Who is named where too many kinds of refusals came at once to tell them apart."""


class _Kind(NamedTuple):
    actor: str
    address: str | None
    method: str
    route: str
    code: str
    reason: str


@dataclass(slots=True)
class _Window:
    timer: asyncio.TimerHandle
    first: Entry
    repeated: int = 0


class Denials:
    """Hands each kind of refusal to `report` no more than twice in `seconds`: at once, and with the number of the rest."""

    def __init__(
        self, report: Callable[[Entry], None], *, seconds: float = WINDOW_SECONDS, kinds: int = MAX_KINDS
    ) -> None:
        self._report, self._seconds, self._kinds = report, seconds, kinds
        self._windows: dict[_Kind, _Window] = {}

    def refused(self, request: Request, error: ArtStoreError) -> None:
        """For `create_app(refused=…)`. Names the principal of a token that was verified, and nobody otherwise."""
        principal = current_principal()
        kind = _Kind(
            principal.subject if principal else ANONYMOUS,
            request.client.host if request.client else None,
            request.method,
            getattr(request.scope.get("route"), "path", "unmatched"),
            error.code,
            error.message,
        )
        if kind not in self._windows and len(self._windows) >= self._kinds:
            kind = _Kind(OTHERS, None, "", "", "", "too many kinds of refusals to tell apart")
        if (window := self._windows.get(kind)) is not None:
            window.repeated += 1
            return
        entry = _entry(kind, request, error)
        timer = asyncio.get_running_loop().call_later(self._seconds, self._ended, kind)
        self._windows[kind] = _Window(timer, entry)
        self._report(entry)

    def close(self) -> None:
        """Reports all repetitions now."""
        for kind in list(self._windows):
            self._windows[kind].timer.cancel()
            self._ended(kind)

    def _ended(self, kind: _Kind) -> None:
        window = self._windows.pop(kind)
        if window.repeated:
            first = window.first
            self._report(
                Entry(
                    actor=first.actor,
                    action=first.action,
                    outcome=first.outcome,
                    target=first.target,
                    address=first.address,
                    details={**first.details, "repeated": window.repeated, "since": first.happened_at.isoformat()},
                )
            )


def _entry(kind: _Kind, request: Request, error: ArtStoreError) -> Entry:
    if kind.actor == OTHERS:
        return Entry(OTHERS, DENIED, Outcome.DENIED, details={"reason": kind.reason})
    return Entry(
        kind.actor,
        DENIED,
        Outcome.DENIED,
        target=f"{kind.method} {shown_path(request.url.path)}",
        address=kind.address,
        request_id=current_request_id(),
        details={"code": error.code, "reason": error.message, **error.details},
    )
