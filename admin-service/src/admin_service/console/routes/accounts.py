"""Service accounts: their list, their life, and a secret that is shown once."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from artstore_core.errors import ArtStoreError, Conflict, Forbidden, ValidationFailed
from artstore_core.scopes import Scope
from fastapi import APIRouter, Depends, Query, Response

from admin_service.console.door import Form, Visit
from admin_service.console.parts import Console
from admin_service.console.sizes import exact_size, typed_size
from admin_service.identity.accounts import DEFAULT_EXPIRY_DAYS
from admin_service.identity.expiry import WARN_BEFORE

API: Final = "/api/v1/service-accounts"
PAGE: Final = 50
REFUSED: Final = (ValidationFailed, Conflict, Forbidden)
"""What a form says at its fields; all else is a page of its own."""
MAX_OFFSET: Final = 2**31 - 1
Offset = Annotated[int, Query(ge=0, le=MAX_OFFSET)]
Word = Annotated[str, Query(max_length=100)]
EMPTY: Final = dict.fromkeys(("name", "kind", "expires_in_days", "quota_bytes", "quota_files"), "")


def router(console: Console) -> APIRouter:
    routes = APIRouter(prefix="/accounts")
    doors, clock = console.doors, console.clock
    visiting = Annotated[Visit, Depends(doors.visit)]
    filled_in = Annotated[Form, Depends(doors.form)]

    async def known(visit: Visit, account_id: UUID) -> dict[str, Any]:
        return shown(await visit.api.get(f"{API}/{account_id}"), clock())

    def made(visit: Visit, answer: dict[str, Any], *, rotated: bool) -> Response:
        """The page of the secret is the answer to the form itself: there is no address to see it at once more."""
        return visit.show("accounts/secret.html", account=answer, rotated=rotated)

    @routes.get("")
    async def list_page(visit: visiting, kind: Word = "", status: Word = "", offset: Offset = 0) -> Response:
        page = await visit.api.get(API, kind=kind, status=status, offset=offset, limit=PAGE)
        accounts = [shown(account, clock()) for account in page["items"]]
        return visit.show("accounts/list.html", page=page, accounts=accounts, filters={"kind": kind, "status": status})

    @routes.get("/new")
    async def new_page(visit: visiting) -> Response:
        given = {"kind": "client", "expires_in_days": DEFAULT_EXPIRY_DAYS}
        return _form(visit, None, given, {Scope.FILES_READ.value})

    @routes.post("/new")
    async def create(visit: visiting, given: filled_in) -> Response:
        try:
            days = given.whole("expires_in_days")
            body = _fields(given) | {"kind": given.text("kind"), "expires_in_days": days}
            answer = await visit.api.post(API, body)
        except REFUSED as error:
            return _form(visit, None, given.values, set(given.several("scopes")), error)
        return made(visit, answer, rotated=False)

    @routes.get("/{account_id}")
    async def detail_page(visit: visiting, account_id: UUID) -> Response:
        return visit.show("accounts/detail.html", account=await known(visit, account_id))

    @routes.get("/{account_id}/edit")
    async def edit_page(visit: visiting, account_id: UUID) -> Response:
        account = await known(visit, account_id)
        given = account | {"quota_bytes": exact_size(account["quota_bytes"])}
        return _form(visit, account, given, set(account["scopes"]))

    @routes.post("/{account_id}/edit")
    async def edit(visit: visiting, given: filled_in, account_id: UUID) -> Response:
        account = await known(visit, account_id)
        try:
            await visit.api.patch(f"{API}/{account_id}", _fields(given))
        except REFUSED as error:
            return _form(visit, account, given.values, set(given.several("scopes")), error)
        return visit.go(f"accounts/{account_id}", "account-changed")

    @routes.get("/{account_id}/rotate")
    async def rotate_page(visit: visiting, account_id: UUID) -> Response:
        return _rotation(visit, await known(visit, account_id), {})

    @routes.post("/{account_id}/rotate")
    async def rotate(visit: visiting, given: filled_in, account_id: UUID) -> Response:
        account = await known(visit, account_id)
        try:
            body = {name: given.whole(name) for name in ("overlap_seconds", "expires_in_days")}
            answer = await visit.api.post(f"{API}/{account_id}/rotate-secret", body)
        except REFUSED as error:
            return _rotation(visit, account, given.values, error)
        return made(visit, answer, rotated=True)

    @routes.get("/{account_id}/suspend")
    async def suspend_page(visit: visiting, account_id: UUID) -> Response:
        return visit.show("accounts/suspend.html", account=await known(visit, account_id))

    @routes.post("/{account_id}/suspend")
    async def suspend(visit: visiting, _given: filled_in, account_id: UUID) -> Response:
        await visit.api.patch(f"{API}/{account_id}", {"status": "suspended"})
        return visit.go(f"accounts/{account_id}", "account-suspended")

    @routes.post("/{account_id}/resume")
    async def resume(visit: visiting, _given: filled_in, account_id: UUID) -> Response:
        await visit.api.patch(f"{API}/{account_id}", {"status": "active"})
        return visit.go(f"accounts/{account_id}", "account-resumed")

    @routes.get("/{account_id}/delete")
    async def delete_page(visit: visiting, account_id: UUID) -> Response:
        return visit.show("accounts/delete.html", account=await known(visit, account_id))

    @routes.post("/{account_id}/delete")
    async def delete(visit: visiting, _given: filled_in, account_id: UUID) -> Response:
        await visit.api.delete(f"{API}/{account_id}")
        return visit.go("accounts", "account-deleted")

    return routes


def shown(account: dict[str, Any], now: datetime) -> dict[str, Any]:
    """With how its secret stands: `fine`, `soon` to expire, `expired`, or `endless`; and whether the one before works."""
    expires_at, overlap_ends = account["secret_expires_at"], account["previous_secret_expires_at"]
    overlap = overlap_ends is not None and datetime.fromisoformat(overlap_ends) > now
    secret = "endless" if expires_at is None else _standing(datetime.fromisoformat(expires_at) - now)
    return account | {"secret": secret, "overlap": overlap}


def _standing(left: timedelta) -> str:
    if left <= timedelta():
        return "expired"
    return "soon" if left <= WARN_BEFORE else "fine"


def _fields(given: Form) -> dict[str, Any]:
    """Raises ValidationFailed."""
    scopes = given.several("scopes")
    if not scopes:
        raise ValidationFailed("The form is not valid", details={"scopes": "choose at least one"})
    return {
        "name": given.text("name"),
        "scopes": scopes,
        "quota_bytes": typed_size(given.optional("quota_bytes"), "quota_bytes"),
        "quota_files": given.whole("quota_files"),
    }


def _form(
    visit: Visit,
    account: dict[str, Any] | None,
    given: dict[str, Any],
    chosen: set[str],
    error: ArtStoreError | None = None,
) -> Response:
    """`account` None: a new one."""
    told = {"account": account, "given": EMPTY | given, "chosen": chosen, "scopes": [scope.value for scope in Scope]}
    return visit.show("accounts/form.html", status=error.status if error else 200, error=error, **told)


def _rotation(
    visit: Visit, account: dict[str, Any], given: dict[str, str], error: ArtStoreError | None = None
) -> Response:
    given = {"overlap_seconds": "86400", "expires_in_days": str(DEFAULT_EXPIRY_DAYS)} | given
    status = error.status if error else 200
    return visit.show("accounts/rotate.html", status=status, account=account, given=given, error=error)
