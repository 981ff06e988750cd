"""Admin's internal intake of audit entries."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

import httpx

from artstore_audit.entry import Entry
from artstore_audit.reporter import NotNow, Undeliverable

PATH = "/api/v1/audit"
_TIMEOUT = httpx.Timeout(10.0, connect=2.0)
_NEVER = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE})


class AdminIntake:
    """A Deliver over HTTP. `client` has admin's address and authenticates itself for ArtStore's inside."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def __call__(self, entries: Sequence[Entry]) -> None:
        body = {"entries": [_shown(entry) for entry in entries]}
        try:
            response = await self._client.post(PATH, json=body, timeout=_TIMEOUT)
        except (httpx.HTTPError, ValueError, KeyError) as error:  # the last two: a token endpoint that talks nonsense
            raise NotNow(type(error).__name__) from error
        if response.is_success:
            return
        if response.status_code in _NEVER:
            raise Undeliverable(f"admin answered {response.status_code}")
        raise NotNow(f"admin answered {response.status_code}")


def _shown(entry: Entry) -> dict[str, object]:
    return {
        "entry_id": str(entry.entry_id),
        "happened_at": entry.happened_at.isoformat(),
        "actor": entry.actor,
        "action": entry.action,
        "outcome": entry.outcome.value,
        "target": entry.target,
        "address": entry.address,
        "request_id": entry.request_id,
        "details": dict(entry.details),
    }
