"""Admin's own tokens for storage elements: signed here, for one element and no more scopes than a call needs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from artstore_core.scopes import Scope, element_audience

from admin_service.identity.tokens import TokenIssuer

CLIENT_ID: Final = "admin-service"
RENEW_BEFORE: Final = timedelta(seconds=60)
HELD_AT_MOST: Final = 1024


class _Held(NamedTuple):
    token: str
    renew_at: datetime


class ElementTokens:
    """Keeps each token until a minute before it expires."""

    def __init__(self, issuer: TokenIssuer, clock: Callable[[], datetime]) -> None:
        self._issuer, self._clock = issuer, clock
        self._held: dict[tuple[str, Scope], _Held] = {}

    async def token(self, storage_id: str, scope: Scope) -> str:
        held = self._held.get((storage_id, scope))
        now = self._clock()
        if held is None or held.renew_at <= now:
            issued = await self._issuer.issue(
                subject=f"sa:{CLIENT_ID}",
                client_id=CLIENT_ID,
                audience=element_audience(storage_id),
                scopes=frozenset([scope]),
            )
            held = _Held(issued.access_token, now + timedelta(seconds=issued.expires_in) - RENEW_BEFORE)
            self._keep((storage_id, scope), held)
        return held.token

    def forget(self, storage_id: str, scope: Scope, token: str) -> None:
        """Drops a token that was refused, unless it was renewed meanwhile."""
        held = self._held.get((storage_id, scope))
        if held is not None and held.token == token:
            del self._held[storage_id, scope]

    def _keep(self, key: tuple[str, Scope], held: _Held) -> None:
        self._held.pop(key, None)
        while len(self._held) >= HELD_AT_MOST:
            del self._held[next(iter(self._held))]
        self._held[key] = held
