"""Who may: a token made for this element, or for a file's bytes a ticket made with its key."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from artstore_auth.guard import Credentials, Guard
from artstore_core.errors import Unauthorized, ValidationFailed
from artstore_core.scopes import Principal, Scope
from artstore_tickets import FileSubject, Ticket, Tickets, UploadSubject
from fastapi import Request

_MAX_TICKET_CHARACTERS: Final = 4096


class Access:
    """The element's doors. Whoever is refused learns nothing of what is behind them."""

    def __init__(self, guard: Guard, tickets: Tickets) -> None:
        self._guard, self._tickets = guard, tickets
        self.write = guard.require(Scope.FILES_WRITE)
        self.read = guard.require(Scope.FILES_READ)
        self.list = guard.require(Scope.STORAGE_READ)
        self.operate = guard.require(Scope.STORAGE_WRITE)

    async def look_after(self, credentials: Credentials) -> Principal:
        """Who may read what the element has, or operate it."""
        principal = await self._guard.authenticate(credentials)
        if Scope.STORAGE_WRITE.value not in principal.scopes:
            self._guard.check(principal, Scope.STORAGE_READ)
        return principal

    async def writer(self, request: Request) -> Principal:
        """As `write`, for a route that asks itself."""
        return await self._guard.admit(request, Scope.FILES_WRITE)

    async def read_bytes(self, request: Request, file_id: UUID) -> Ticket | None:
        """The ticket that opened the door; None when it was a token."""
        ticket = _ticket(request)
        if ticket is not None:
            return self._tickets.check(ticket, subject=FileSubject(file_id), method=request.method)
        await self._guard.admit(request, Scope.FILES_READ)
        return None

    def write_part(self, request: Request, upload_id: UUID, number: int) -> Ticket:
        """The ticket that lets this part in: no token does. Raises Unauthorized, Forbidden."""
        ticket = _ticket(request)
        if ticket is None:
            raise Unauthorized("A part needs a ticket.", headers={"WWW-Authenticate": 'Bearer realm="artstore"'})
        return self._tickets.check(ticket, subject=UploadSubject(upload_id, number), method=request.method)


def _ticket(request: Request) -> str | None:
    ticket = request.query_params.get("ticket")
    if ticket is not None and len(ticket) > _MAX_TICKET_CHARACTERS:
        raise ValidationFailed("The request is not valid", details={"ticket": "is too long"})
    return ticket
