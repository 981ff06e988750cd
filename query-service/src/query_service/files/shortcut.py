"""The way around this service: the gateway's own route to the element that has the bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from artstore_tickets import FileSubject, Tickets, element_key, route_name

from query_service.files.download import Asked, Gateway
from query_service.files.lookup import Clock, Home

HEADER: Final = "x-artstore-elements"
"""Our gateway names the elements there to which it has a route; it lets no client send it."""
OFFERED_CHARACTERS: Final = 8
"""Of a route's name, as the gateway writes it down."""
_ELEMENTS: Final = 1024


@dataclass(frozen=True, slots=True)
class _Way:
    route: str
    tickets: Tickets


class ElementShortcut:
    """files.download.Shortcut. Makes the tickets that the elements take."""

    def __init__(self, master_key: bytes, clock: Clock) -> None:
        def way(storage_id: str) -> _Way:
            return _Way(
                route_name(master_key, storage_id), Tickets(storage_id, element_key(master_key, storage_id), clock)
            )

        self._way: Callable[[str], _Way] = lru_cache(maxsize=_ELEMENTS)(way)

    def to(self, home: Home, asked: Asked, gateway: Gateway) -> str | None:
        way = self._way(home.storage_id)
        if way.route[:OFFERED_CHARACTERS] not in gateway.routes.split():
            return None
        ticket = way.tickets.issue(FileSubject(asked.file_id), ["GET"], disposition=asked.disposition)
        # Envoy follows whole urls only, of the scheme of the request; the host's name is of no account to it.
        path = f"/_element/{way.route}/api/v1/files/{asked.file_id}/download"
        return f"{gateway.scheme}://artstore{path}?ticket={ticket}"
