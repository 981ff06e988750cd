"""Service accounts over HTTP."""

from typing import Annotated, Any
from uuid import UUID

from artstore_auth.guard import Guard
from artstore_core.files import Moment
from artstore_core.pages import Page
from artstore_core.scopes import AccountKind, Principal, Scope
from artstore_kit.paging import Paging
from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.json_schema import SkipJsonSchema

from admin_service.identity.accounts import (
    DEFAULT_EXPIRY_DAYS,
    AccountChange,
    AccountStatus,
    NewAccount,
    ServiceAccount,
    ServiceAccounts,
)
from admin_service.store import Store

MAX_OVERLAP_SECONDS = 7 * 24 * 3600
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$")
]
Days = Annotated[int, Field(ge=0, le=3650, description="0: never")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AccountIn(_Strict):
    name: Name
    kind: AccountKind = AccountKind.CLIENT
    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    expires_in_days: Days = DEFAULT_EXPIRY_DAYS


class AccountPatch(_Strict):
    """What is given replaces the old value; what is absent stays. None of these can be cleared, so null is refused."""

    name: Name | SkipJsonSchema[None] = None
    scopes: Annotated[frozenset[Scope], Field(min_length=1)] | SkipJsonSchema[None] = None
    status: AccountStatus | SkipJsonSchema[None] = None

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_cleared(cls, given: Any) -> Any:
        if isinstance(given, dict) and None in given.values():
            raise ValueError("null clears a field, and none of these can be cleared")
        return given


class RotationIn(_Strict):
    overlap_seconds: Annotated[int, Field(ge=0, le=MAX_OVERLAP_SECONDS)] = 0
    expires_in_days: Days = DEFAULT_EXPIRY_DAYS


class AccountOut(BaseModel):
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

    @classmethod
    def of(cls, account: ServiceAccount) -> "AccountOut":
        return cls(**_fields(account))


class AccountWithSecret(AccountOut):
    client_secret: str = Field(description="Shown this once")


def _fields(account: ServiceAccount) -> dict[str, object]:
    return {name: getattr(account, name) for name in AccountOut.model_fields} | {"scopes": sorted(account.scopes)}


def router(accounts: ServiceAccounts, store: Store, guard: Guard) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/service-accounts", tags=["service accounts"])
    reader = Annotated[Principal, Depends(guard.require(Scope.ADMIN_READ))]
    writer = Annotated[Principal, Depends(guard.require(Scope.ADMIN_WRITE))]

    @routes.get("")
    async def list_service_accounts(_who: reader, page: Paging) -> Page[AccountOut]:
        async with store.transaction() as rows:
            found, total = await rows.accounts.page(limit=page.limit, offset=page.offset)
        items = [AccountOut.of(account) for account in found]
        return Page[AccountOut].of(items, total=total, limit=page.limit, offset=page.offset)

    @routes.post("", status_code=201)
    async def create_service_account(_who: writer, body: AccountIn, response: Response) -> AccountWithSecret:
        """The answer is the only place where the secret ever stands."""
        async with store.transaction() as rows:
            account, secret = await accounts.create(rows.accounts, NewAccount(**dict(body)))
        response.headers["Location"] = f"/api/v1/service-accounts/{account.id}"
        response.headers["Cache-Control"] = "no-store"
        return AccountWithSecret(**_fields(account), client_secret=secret)

    @routes.get("/{account_id}")
    async def get_service_account(_who: reader, account_id: UUID) -> AccountOut:
        async with store.transaction() as rows:
            return AccountOut.of(await accounts.get(rows.accounts, account_id))

    @routes.patch("/{account_id}")
    async def change_service_account(_who: writer, account_id: UUID, body: AccountPatch) -> AccountOut:
        async with store.transaction() as rows:
            return AccountOut.of(await accounts.change(rows.accounts, account_id, AccountChange(**dict(body))))

    @routes.delete("/{account_id}", status_code=204)
    async def delete_service_account(_who: writer, account_id: UUID) -> None:
        async with store.transaction() as rows:
            await accounts.delete(rows.accounts, account_id)

    @routes.post("/{account_id}/rotate-secret")
    async def rotate_secret(
        _who: writer, account_id: UUID, response: Response, body: RotationIn | None = None
    ) -> AccountWithSecret:
        """A new secret; the old one works on for `overlap_seconds`."""
        body = body or RotationIn()
        async with store.transaction() as rows:
            account, secret = await accounts.rotate_secret(
                rows.accounts,
                account_id,
                overlap_seconds=body.overlap_seconds,
                expires_in_days=body.expires_in_days,
            )
        response.headers["Cache-Control"] = "no-store"
        return AccountWithSecret(**_fields(account), client_secret=secret)

    return routes
