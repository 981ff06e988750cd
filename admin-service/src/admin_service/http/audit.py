"""The audit log over HTTP: searching it, and the intake for other services (not on the gateway)."""

from typing import Annotated, Any
from uuid import UUID

from artstore_audit import Outcome
from artstore_auth.guard import Guard
from artstore_core.errors import Forbidden
from artstore_core.files import Moment
from artstore_core.pages import Page
from artstore_core.scopes import INTERNAL_AUDIENCE, Scope
from artstore_kit.paging import PageParams
from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from admin_service.audit.intake import received
from admin_service.audit.log import Entry
from admin_service.audit.search import Kept, Search
from admin_service.http.caller import Caller, Callers
from admin_service.identity.clock import Clock
from admin_service.store import Store

MAX_ENTRIES = 500
MAX_DETAILS = 20
MAX_ID = 2**63 - 1
_FIT = r"^[^\x00-\x1f\x7f]*$"


def _text(most: int, least: int = 0) -> Any:
    return StringConstraints(min_length=least, max_length=most, pattern=_FIT)


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be Unicode text") from None
    return text


_Encodable = AfterValidator(_encodable)
Name = Annotated[str, _text(300, 1), _Encodable]
Text = Annotated[str, _text(500), _Encodable]
Value = (
    Text | Annotated[int, Field(ge=-(2**63), le=2**63 - 1)] | Annotated[float, Field(allow_inf_nan=False)] | bool | None
)


class EntryIn(BaseModel):
    """`service` is not asked for: it is who sends this."""

    model_config = ConfigDict(extra="forbid")

    entry_id: UUID = Field(description="Made by the sender: an entry that comes again is kept once")
    happened_at: Moment
    actor: Name
    action: Name = Field(description="`<noun>.<what happened>`")
    outcome: Outcome
    target: Text | None = None
    address: Text | None = None
    request_id: Text | None = None
    details: Annotated[dict[Name, Value], Field(max_length=MAX_DETAILS)] = {}


class EntriesIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    entries: Annotated[list[EntryIn], Field(min_length=1, max_length=MAX_ENTRIES)]


class EntryOut(BaseModel):
    id: int
    happened_at: Moment
    service: str = Field(description="`admin-service`, or the client id of the service that reported it")
    actor: str
    action: str
    outcome: Outcome
    target: str | None
    address: str | None
    request_id: str | None
    details: dict[str, Any]

    @classmethod
    def of(cls, kept: Kept) -> "EntryOut":
        values = {name: getattr(kept.entry, name) for name in cls.model_fields if name != "id"}
        return cls(id=kept.id, **values)


class AuditPage(Page[EntryOut]):
    total_exact: bool = Field(description="False: there are more than `total`")
    newest_id: int = Field(description="Give it with the next page, and what is logged meanwhile moves nothing")


class AuditFilter(PageParams):
    actor: Text | None = None
    action: Text | None = Field(default=None, description="A prefix: `file.` finds all that happened to files")
    target: Text | None = None
    outcome: Outcome | None = None
    service: Text | None = None
    request_id: Text | None = None
    since: Moment | None = None
    until: Moment | None = Field(default=None, description="Exclusive")
    newest_id: Annotated[int | None, Field(ge=0, le=MAX_ID)] = None


def router(store: Store, guard: Guard, clock: Clock) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/audit", tags=["audit"])
    reader = Annotated[Caller, Depends(Callers(guard).require(Scope.ADMIN_READ))]
    service = Annotated[Caller, Depends(Callers(guard).require(None, audiences=[INTERNAL_AUDIENCE]))]

    @routes.get("")
    async def search_audit(_who: reader, wanted: Annotated[AuditFilter, Query()]) -> AuditPage:
        """Who did what, or was refused it, newest first."""
        search = Search(**wanted.model_dump(exclude={"limit", "offset"}))
        async with store.transaction() as rows:
            found = await rows.audit.search(search, limit=wanted.limit, offset=wanted.offset)
        items = [EntryOut.of(kept) for kept in found.entries]
        page = Page[EntryOut].of(items, total=found.total, limit=wanted.limit, offset=wanted.offset)
        return AuditPage(**dict(page), total_exact=found.exact, newest_id=found.newest_id)

    @routes.post("", status_code=204)
    async def report_entries(who: service, body: EntriesIn) -> None:
        """What another service did or refused. The same entries may be sent again."""
        if who.principal.client_id is None:
            raise Forbidden("Only services report")
        name = who.principal.client_id
        entries = [Entry(service=name, **dict(entry)) for entry in body.entries]
        async with store.transaction() as rows:
            await rows.audit.add(received(entries, name, clock()))

    return routes
