"""What the registry holds in all, over HTTP."""

from datetime import date
from typing import Annotated

from artstore_auth.guard import Guard
from artstore_core.files import Moment
from artstore_core.scopes import Principal, Scope
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from admin_service.registry.totals import Totalling


class ElementTotal(BaseModel):
    """`damaged` of its `files` are damaged."""

    model_config = ConfigDict(from_attributes=True)

    storage_id: str
    files: int
    bytes: int
    damaged: int


class DayTotal(BaseModel):
    """What there is of all that was uploaded by the end of that day (UTC)."""

    model_config = ConfigDict(from_attributes=True)

    day: date
    files: int
    bytes: int


class TotalsOut(BaseModel):
    """`files` and `bytes` are those of this moment; what follows is counted now and then. Deleted files count nowhere."""

    files: int
    bytes: int
    counted_at: Moment
    elements: list[ElementTotal]
    days: list[DayTotal] = Field(description="The last 90 days, the oldest first")


def router(totals: Totalling, guard: Guard) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/registry/totals", tags=["registry"])
    reader = Annotated[Principal, Depends(guard.require(Scope.ADMIN_READ))]

    @routes.get("")
    async def get_totals(_who: reader) -> TotalsOut:
        """Files and bytes: now, on each storage element, and by the day of upload."""
        now, counted = await totals.now(), await totals.counted()
        return TotalsOut(
            files=now.files,
            bytes=now.bytes,
            counted_at=counted.counted_at,
            elements=[ElementTotal.model_validate(one) for one in counted.elements],
            days=[DayTotal.model_validate(one) for one in counted.days],
        )

    return routes
