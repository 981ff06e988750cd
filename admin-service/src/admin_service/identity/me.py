"""Who one is: what a principal may see of itself."""

from __future__ import annotations

from typing import Literal, Protocol

from artstore_auth.challenge import invalid_token
from artstore_core.scopes import Principal
from pydantic import BaseModel

from admin_service.identity.accounts import AccountRows, ServiceAccount
from admin_service.identity.quota import NOTHING, UsageRows
from admin_service.identity.users import AdminUser, Role, UserRows


class Me(BaseModel):
    """Quotas of null are no bound. `scopes` are the token's."""

    subject: str
    kind: Literal["user", "client", "service"]
    name: str
    role: Role | None
    scopes: list[str]
    password_change_required: bool
    quota_bytes: int | None
    quota_files: int | None
    used_bytes: int
    used_files: int


class Rows(Protocol):
    @property
    def accounts(self) -> AccountRows: ...
    @property
    def usage(self) -> UsageRows: ...
    @property
    def users(self) -> UserRows: ...


async def who_is(rows: Rows, principal: Principal) -> Me:
    """Raises Unauthorized when the principal has just gone."""
    found = await _find(rows, principal.subject)
    if found is None:
        raise invalid_token("it was revoked")
    used = (await rows.usage.of([principal.subject])).get(principal.subject, NOTHING)
    return Me(
        subject=principal.subject,
        kind="user" if isinstance(found, AdminUser) else found.kind.value,
        name=found.username if isinstance(found, AdminUser) else found.name,
        role=found.role if isinstance(found, AdminUser) else None,
        scopes=sorted(principal.scopes),
        password_change_required=isinstance(found, AdminUser) and found.must_change_password,
        quota_bytes=found.quota_bytes,
        quota_files=found.quota_files,
        used_bytes=used.bytes,
        used_files=used.files,
    )


async def _find(rows: Rows, subject: str) -> AdminUser | ServiceAccount | None:
    kind, _, name = subject.partition(":")
    return await (rows.users.by_name(name) if kind == "user" else rows.accounts.by_client_id(name))
