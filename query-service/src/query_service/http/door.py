"""Who may come in, and how often."""

from typing import Annotated

from artstore_auth.guard import Guard
from artstore_core.scopes import Principal, Scope
from fastapi import Depends, Request

from query_service.files.limits import RequestRate


class Door:
    """Lets in whoever may read files. Raises RateLimited for one who asks too often."""

    def __init__(self, guard: Guard, rate: RequestRate) -> None:
        self._guard, self._rate = guard, rate
        may_read = guard.require(Scope.FILES_READ)

        async def reader(found: Annotated[Principal, Depends(may_read)]) -> Principal:
            rate.take(found.subject)
            return found

        self.reader = reader

    async def admit(self, request: Request) -> Principal:
        """As `reader`, for a route that asks by itself."""
        found = await self._guard.admit(request, Scope.FILES_READ)
        self._rate.take(found.subject)
        return found
