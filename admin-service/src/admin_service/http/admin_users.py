"""Users over HTTP."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from artstore_auth.guard import Guard
from artstore_core.errors import NotFound
from artstore_core.files import Moment
from artstore_core.pages import Page
from artstore_core.scopes import Principal, Scope
from artstore_kit.paging import Paging
from fastapi import APIRouter, Depends, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from admin_service.http.auth import Secret
from admin_service.http.caller import Caller, Callers
from admin_service.http.quota_fields import QuotaIn, QuotaOut, QuotaPatch, used
from admin_service.identity.clock import Clock
from admin_service.identity.lockout import LockoutPolicy, name_hash
from admin_service.identity.quota import NOTHING
from admin_service.identity.users import AdminUser, AdminUsers, NewUser, Role, UserChange, UserStatus
from admin_service.store import Rows, Store


def _one_visible_word(name: str) -> str:
    """It stands in tokens, logs and pages: nothing that cannot be seen there, or turns the text around."""
    if not name.isprintable() or " " in name:
        raise ValueError("must be of printable characters without spaces")
    return name


Username = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_one_visible_word)]


class UserIn(QuotaIn):
    model_config = ConfigDict(extra="forbid")

    username: Username
    password: Secret
    role: Role


class UserPatch(QuotaPatch):
    """What is given replaces the old value; what is absent stays. Only quotas can be cleared."""

    model_config = ConfigDict(extra="forbid")

    role: Role | SkipJsonSchema[None] = None
    status: UserStatus | SkipJsonSchema[None] = None

    @model_validator(mode="before")
    @classmethod
    def _only_quotas_are_cleared(cls, given: Any) -> Any:
        if isinstance(given, dict) and any(name in given and given[name] is None for name in ("role", "status")):
            raise ValueError("null clears a field, and neither role nor status can be cleared")
        return given


class PasswordReset(BaseModel):
    model_config = ConfigDict(extra="forbid")

    password: Secret


class UserOut(QuotaOut):
    id: UUID
    username: str
    role: Role
    status: UserStatus
    must_change_password: bool
    locked_until: Moment | None = Field(description="After too many failed sign-ins")
    last_login_at: Moment | None
    created_at: Moment
    updated_at: Moment


class _Shown:
    """Users as they are shown: with what they hold, and whether they are locked."""

    def __init__(self, policy: LockoutPolicy, clock: Clock) -> None:
        self._policy, self._clock = policy, clock

    async def all(self, rows: Rows, users: Sequence[AdminUser]) -> list[UserOut]:
        usage = await rows.usage.of([user.subject for user in users])
        names = {user.id: name_hash(user.username) for user in users}
        locked = await rows.failures.locked_until(names.values(), self._policy, self._clock())
        return [
            UserOut(
                **{name: getattr(user, name) for name in UserOut.model_fields if hasattr(user, name)},
                **used(usage.get(user.subject, NOTHING)),
                locked_until=locked.get(names[user.id]),
            )
            for user in users
        ]

    async def one(self, rows: Rows, user_id: UUID) -> UserOut:
        user = await rows.users.get(user_id)
        if user is None:
            raise NotFound("There is no such user")
        return (await self.all(rows, [user]))[0]


def router(users: AdminUsers, store: Store, guard: Guard, policy: LockoutPolicy, clock: Clock) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/admin-users", tags=["admin users"])
    reader = Annotated[Principal, Depends(guard.require(Scope.ADMIN_READ))]
    writer = Annotated[Caller, Depends(Callers(guard).require(Scope.ADMIN_WRITE))]
    shown = _Shown(policy, clock)

    @routes.get("")
    async def list_admin_users(_who: reader, page: Paging) -> Page[UserOut]:
        async with store.transaction() as rows:
            found, total = await rows.users.page(limit=page.limit, offset=page.offset)
            items = await shown.all(rows, found)
        return Page[UserOut].of(items, total=total, limit=page.limit, offset=page.offset)

    @routes.post("", status_code=201)
    async def create_admin_user(who: writer, body: UserIn, response: Response) -> UserOut:
        user = await users.create(NewUser(**dict(body)), who.actor)
        response.headers["Location"] = f"/api/v1/admin-users/{user.id}"
        async with store.transaction() as rows:
            return (await shown.all(rows, [user]))[0]

    @routes.get("/{user_id}")
    async def get_admin_user(_who: reader, user_id: UUID) -> UserOut:
        async with store.transaction() as rows:
            return await shown.one(rows, user_id)

    @routes.patch("/{user_id}")
    async def change_admin_user(who: writer, user_id: UUID, body: UserPatch) -> UserOut:
        """409 when no active admin would be left. A suspended user's sessions and tokens end."""
        change = UserChange(role=body.role, status=body.status, **body.quota_changes())
        changed = await users.change(user_id, change, who.actor)
        async with store.transaction() as rows:
            return (await shown.all(rows, [changed]))[0]

    @routes.delete("/{user_id}", status_code=204)
    async def delete_admin_user(who: writer, user_id: UUID) -> None:
        """409 for the last active admin."""
        await users.delete(user_id, who.actor)

    @routes.post("/{user_id}/reset-password", status_code=204)
    async def reset_admin_user_password(who: writer, user_id: UUID, body: PasswordReset) -> None:
        """The user has to choose another one at the next sign-in. All sessions and tokens of the user end."""
        await users.reset_password(user_id, body.password, who.actor)

    @routes.post("/{user_id}/unlock", status_code=204)
    async def unlock_admin_user(who: writer, user_id: UUID) -> None:
        """Forgets failed sign-ins."""
        await users.unlock(user_id, who.actor)

    return routes
