"""People who run ArtStore: their list, and what their like may do with them."""

from typing import Annotated, Any, Final
from uuid import UUID

from artstore_core.errors import ArtStoreError, Conflict, Forbidden, ValidationFailed
from fastapi import APIRouter, Depends, Query, Response

from admin_service.console.door import Form, Visit
from admin_service.console.parts import Console
from admin_service.console.sizes import exact_size, typed_size

API: Final = "/api/v1/admin-users"
PAGE: Final = 50
REFUSED: Final = (ValidationFailed, Conflict, Forbidden)
EMPTY: Final = dict.fromkeys(("username", "role", "quota_bytes", "quota_files"), "")
Offset = Annotated[int, Query(ge=0, le=2**31 - 1)]


def router(console: Console) -> APIRouter:
    routes = APIRouter(prefix="/users")
    visiting = Annotated[Visit, Depends(console.doors.visit)]
    filled_in = Annotated[Form, Depends(console.doors.form)]

    async def about(visit: Visit, template: str, user_id: UUID, error: ArtStoreError | None = None) -> Response:
        user = await visit.api.get(f"{API}/{user_id}")
        return visit.show(template, status=error.status if error else 200, user=user, error=error)

    @routes.get("")
    async def list_page(visit: visiting, offset: Offset = 0) -> Response:
        return visit.show("users/list.html", page=await visit.api.get(API, offset=offset, limit=PAGE))

    @routes.get("/new")
    async def new_page(visit: visiting) -> Response:
        return _form(visit, None, {"role": "readonly"})

    @routes.post("/new")
    async def create(visit: visiting, given: filled_in) -> Response:
        try:
            body = _fields(given) | {"username": given.text("username"), "password": _password(given)}
            user = await visit.api.post(API, body)
        except REFUSED as error:
            return _form(visit, None, given.values, error)
        return visit.go(f"users/{user['id']}", "user-created")

    @routes.get("/{user_id}")
    async def detail_page(visit: visiting, user_id: UUID) -> Response:
        return await about(visit, "users/detail.html", user_id)

    @routes.get("/{user_id}/edit")
    async def edit_page(visit: visiting, user_id: UUID) -> Response:
        user = await visit.api.get(f"{API}/{user_id}")
        return _form(visit, user, user | {"quota_bytes": exact_size(user["quota_bytes"])})

    @routes.post("/{user_id}/edit")
    async def edit(visit: visiting, given: filled_in, user_id: UUID) -> Response:
        user = await visit.api.get(f"{API}/{user_id}")
        try:
            await visit.api.patch(f"{API}/{user_id}", _fields(given))
        except REFUSED as error:
            return _form(visit, user, given.values, error)
        return visit.go(f"users/{user_id}", "user-changed")

    @routes.get("/{user_id}/suspend")
    async def suspend_page(visit: visiting, user_id: UUID) -> Response:
        return await about(visit, "users/suspend.html", user_id)

    @routes.post("/{user_id}/suspend")
    async def suspend(visit: visiting, _given: filled_in, user_id: UUID) -> Response:
        try:
            await visit.api.patch(f"{API}/{user_id}", {"status": "suspended"})
        except REFUSED as error:
            return await about(visit, "users/detail.html", user_id, error)
        return visit.go(f"users/{user_id}", "user-suspended")

    @routes.post("/{user_id}/resume")
    async def resume(visit: visiting, _given: filled_in, user_id: UUID) -> Response:
        await visit.api.patch(f"{API}/{user_id}", {"status": "active"})
        return visit.go(f"users/{user_id}", "user-resumed")

    @routes.post("/{user_id}/unlock")
    async def unlock(visit: visiting, _given: filled_in, user_id: UUID) -> Response:
        await visit.api.post(f"{API}/{user_id}/unlock")
        return visit.go(f"users/{user_id}", "user-unlocked")

    @routes.get("/{user_id}/password")
    async def password_page(visit: visiting, user_id: UUID) -> Response:
        return await about(visit, "users/password.html", user_id)

    @routes.post("/{user_id}/password")
    async def reset_password(visit: visiting, given: filled_in, user_id: UUID) -> Response:
        try:
            await visit.api.post(f"{API}/{user_id}/reset-password", {"password": _password(given)})
        except REFUSED as error:
            return await about(visit, "users/password.html", user_id, error)
        return visit.go(f"users/{user_id}", "password-reset")

    @routes.get("/{user_id}/delete")
    async def delete_page(visit: visiting, user_id: UUID) -> Response:
        return await about(visit, "users/delete.html", user_id)

    @routes.post("/{user_id}/delete")
    async def delete(visit: visiting, _given: filled_in, user_id: UUID) -> Response:
        try:
            await visit.api.delete(f"{API}/{user_id}")
        except REFUSED as error:
            return await about(visit, "users/detail.html", user_id, error)
        return visit.go("users", "user-deleted")

    return routes


def _password(given: Form) -> str:
    """Raises ValidationFailed."""
    if given.text("password") != given.text("again"):
        raise ValidationFailed("The password is not fit for use", details={"again": "is another password"})
    return given.text("password")


def _fields(given: Form) -> dict[str, Any]:
    """Raises ValidationFailed."""
    return {
        "role": given.text("role"),
        "quota_bytes": typed_size(given.optional("quota_bytes"), "quota_bytes"),
        "quota_files": given.whole("quota_files"),
    }


def _form(
    visit: Visit, user: dict[str, Any] | None, given: dict[str, Any], error: ArtStoreError | None = None
) -> Response:
    """`user` None: a new one."""
    status = error.status if error else 200
    return visit.show("users/form.html", status=status, user=user, given=EMPTY | given, error=error)
