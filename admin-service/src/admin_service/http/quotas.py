"""Reservations of quota over HTTP: for services alone, not on the gateway."""

from typing import Annotated
from uuid import UUID

from artstore_auth.guard import Guard
from artstore_core.files import Moment, Subject
from artstore_core.scopes import INTERNAL_AUDIENCE, Principal, Scope
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from admin_service.identity.clock import Clock
from admin_service.quotas.reservations import reserve
from admin_service.store import Store


class ReservationIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    principal: Subject
    bytes: Annotated[int, Field(ge=0, le=2**62)]


class ReservationOut(BaseModel):
    """Without a quota nothing is reserved, and whoever asked may remember that for a moment."""

    limited: bool
    expires_at: Moment | None = Field(description="Until then the room is kept; asking again renews it")


def router(store: Store, guard: Guard, clock: Clock) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/quota-reservations", tags=["quotas"])
    # Whose quota it is stands in the body, so only services may say it: never a client's token.
    internal = Annotated[Principal, Depends(guard.require(Scope.FILES_WRITE, audiences=[INTERNAL_AUDIENCE]))]

    @routes.put("/{file_id}")
    async def reserve_quota(_who: internal, file_id: UUID, body: ReservationIn) -> ReservationOut:
        """Keeps room for one file of so many bytes, or refuses it. Settled by registering the file."""
        async with store.transaction() as rows:
            expires_at = await reserve(rows.quotas, file_id, body.principal, body.bytes, clock)
        return ReservationOut(limited=expires_at is not None, expires_at=expires_at)

    @routes.delete("/{file_id}", status_code=204)
    async def release_quota(_who: internal, file_id: UUID) -> None:
        """Gives back what was reserved for a file that did not come to be."""
        async with store.transaction() as rows:
            await rows.quotas.release(file_id)

    return routes
