"""Who may: a token made for this element, or for a file's bytes a ticket made with its key."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from artstore_auth.guard import Credentials, Guard
from artstore_core.scopes import Scope
from artstore_tickets import FileSubject, Ticket, Tickets
from fastapi import Query, Request


class Access:
    """The element's doors. Whoever is refused learns nothing of what is behind them."""

    def __init__(self, guard: Guard, tickets: Tickets) -> None:
        self._guard, self._tickets = guard, tickets
        self.write = guard.require(Scope.FILES_WRITE)
        self.read = guard.require(Scope.FILES_READ)
        self.list = guard.require(Scope.STORAGE_READ)

    async def read_bytes(
        self,
        request: Request,
        file_id: UUID,
        credentials: Credentials,
        ticket: Annotated[str | None, Query(description="Stands for the token", max_length=4096)] = None,
    ) -> Ticket | None:
        """The ticket that opened the door; None when it was a token."""
        if ticket is not None:
            return self._tickets.check(ticket, subject=FileSubject(file_id), method=request.method)
        principal = await self._guard.authenticate(credentials)
        self._guard.check(principal, Scope.FILES_READ)
        return None
