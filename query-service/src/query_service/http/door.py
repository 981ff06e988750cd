"""Who may come in, and how often."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from artstore_auth.guard import Guard
from artstore_core.scopes import Principal, Scope
from fastapi import Depends

from query_service.files.limits import RequestRate

Door = Callable[..., Awaitable[Principal]]


def reader(guard: Guard, rate: RequestRate) -> Door:
    """A dependency that gives whoever may read files. Raises RateLimited for one who asks too often."""
    may_read = guard.require(Scope.FILES_READ)

    async def principal(found: Annotated[Principal, Depends(may_read)]) -> Principal:
        rate.take(found.subject)
        return found

    return principal
