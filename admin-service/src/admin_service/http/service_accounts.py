"""Service accounts over HTTP."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from artstore_auth.guard import Guard
from artstore_core.errors import NotFound
from artstore_core.files import Moment
from artstore_core.pages import Page
from artstore_core.scopes import AccountKind, Principal, Scope
from artstore_kit.paging import PageParams
from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.json_schema import SkipJsonSchema

from admin_service.http.caller import Caller, Callers
from admin_service.http.quota_fields import QuotaIn, QuotaOut, QuotaPatch, used
from admin_service.identity.accounts import (
    DEFAULT_EXPIRY_DAYS,
    AccountChange,
    AccountStatus,
    NewAccount,
    ServiceAccount,
    ServiceAccounts,
)
from admin_service.identity.quota import NOTHING, Usage
from admin_service.store import Store

MAX_OVERLAP_SECONDS = 7 * 24 * 3600
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$")
]
Days = Annotated[int, Field(ge=0, le=3650, description="0: never")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AccountIn(_Strict, QuotaIn):
    name: Name
    kind: AccountKind = AccountKind.CLIENT
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    expires_in_days: Days = DEFAULT_EXPIRY_DAYS


class AccountPatch(_Strict, QuotaPatch):
    """What is given replaces the old value; what is absent stays. Only quotas can be cleared, by null."""

    name: Name | SkipJsonSchema[None] = None
    scopes: Annotated[frozenset[Scope], Field(min_length=1)] | SkipJsonSchema[None] = None
    status: AccountStatus | SkipJsonSchema[None] = None

    @model_validator(mode="before")
    @classmethod
    def _only_quotas_are_cleared(cls, given: Any) -> Any:
        fixed = ("name", "scopes", "status")
        if isinstance(given, dict) and any(name in given and given[name] is None for name in fixed):
            raise ValueError("null clears a field, and none of name, scopes and status can be cleared")
        return given


class RotationIn(_Strict):
    overlap_seconds: Annotated[int, Field(ge=0, le=MAX_OVERLAP_SECONDS)] = 0
    expires_in_days: Days = DEFAULT_EXPIRY_DAYS


class AccountFilter(PageParams):
    kind: AccountKind | None = None
    status: AccountStatus | None = None
    secret_expires_until: Moment | None = Field(
        default=None, description="Those whose secret has expired by then; never one that does not expire"
    )


class AccountOut(QuotaOut):
    id: UUID
    client_id: str
    name: str
    kind: AccountKind
    scopes: list[Scope]
    status: AccountStatus
    secret_expires_at: Moment | None
    previous_secret_expires_at: Moment | None
    created_at: Moment
    updated_at: Moment


class AccountWithSecret(AccountOut):
    client_secret: str = Field(description="Shown this once")


def _fields(account: ServiceAccount, usage: Mapping[str, Usage]) -> dict[str, Any]:
    held = used(usage.get(account.subject, NOTHING))
    plain = {name: getattr(account, name) for name in AccountOut.model_fields if name not in held}
    return plain | held | {"scopes": sorted(account.scopes)}


def router(accounts: ServiceAccounts, store: Store, guard: Guard) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/service-accounts", tags=["service accounts"])
    reader = Annotated[Principal, Depends(guard.require(Scope.ADMIN_READ))]
    writer = Annotated[Caller, Depends(Callers(guard).require(Scope.ADMIN_WRITE))]

    async def shown(account: ServiceAccount) -> dict[str, Any]:
        async with store.transaction() as rows:
            return _fields(account, await rows.usage.of([account.subject]))

    @routes.get("")
    async def list_service_accounts(_who: reader, wanted: Annotated[AccountFilter, Query()]) -> Page[AccountOut]:
        async with store.transaction() as rows:
            found, total = await rows.accounts.page(**dict(wanted))
            usage = await rows.usage.of([account.subject for account in found])
        items = [AccountOut(**_fields(account, usage)) for account in found]
        return Page[AccountOut].of(items, total=total, limit=wanted.limit, offset=wanted.offset)

    @routes.post("", status_code=201)
    async def create_service_account(who: writer, body: AccountIn, response: Response) -> AccountWithSecret:
        """The answer is the only place where the secret ever stands."""
        account, secret = await accounts.create(NewAccount(**dict(body)), who.actor)
        response.headers["Location"] = f"/api/v1/service-accounts/{account.id}"
        response.headers["Cache-Control"] = "no-store"
        return AccountWithSecret(**_fields(account, {}), client_secret=secret)

    @routes.get("/{account_id}")
    async def get_service_account(_who: reader, account_id: UUID) -> AccountOut:
        async with store.transaction() as rows:
            account = await rows.accounts.get(account_id)
        if account is None:
            raise NotFound("There is no such service account")
        return AccountOut(**await shown(account))

    @routes.patch("/{account_id}")
    async def change_service_account(who: writer, account_id: UUID, body: AccountPatch) -> AccountOut:
        """Suspending, and taking a scope away, ends the tokens that are out, as far as admin is asked."""
        change = AccountChange(name=body.name, scopes=body.scopes, status=body.status, **body.quota_changes())
        return AccountOut(**await shown(await accounts.change(account_id, change, who.actor)))

    @routes.delete("/{account_id}", status_code=204)
    async def delete_service_account(who: writer, account_id: UUID) -> None:
        await accounts.delete(account_id, who.actor)

    @routes.post("/{account_id}/rotate-secret")
    async def rotate_secret(
        who: writer, account_id: UUID, response: Response, body: RotationIn | None = None
    ) -> AccountWithSecret:
        """A new secret; the old one works on for `overlap_seconds`. With 0 its tokens end as well."""
        body = body or RotationIn()
        account, secret = await accounts.rotate_secret(
            account_id, who.actor, overlap_seconds=body.overlap_seconds, expires_in_days=body.expires_in_days
        )
        response.headers["Cache-Control"] = "no-store"
        return AccountWithSecret(**await shown(account), client_secret=secret)

    return routes
