"""The first start: the first admin, the services' own accounts, the storage elements, from one file (requirement I11).

Idempotent: what is there stays as it is, save that a service account's secret and scopes and an element's url follow
the file. The admin is made only while there are no users: one that was removed since must not come back with a password
that everybody knows who has seen the file.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

from artstore_core.elements import StorageId
from artstore_core.ids import new_id
from artstore_core.scopes import AccountKind, Scope
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from admin_service.audit.changes import differences
from admin_service.audit.log import SYSTEM, Journal
from admin_service.identity.accounts import AccountStatus, ServiceAccount
from admin_service.identity.clock import Clock
from admin_service.identity.keys import KeyVault, new_signing_key
from admin_service.identity.passwords import normalised
from admin_service.identity.secrets import SecretHasher
from admin_service.identity.standing import before_its_first_token, end_of_tokens
from admin_service.identity.users import Role
from admin_service.registry.addresses import ElementUrl
from admin_service.registry.elements import new_element
from admin_service.store import Rows


class BootstrapUnreadable(Exception):
    """Which fields of the file are wrong, and why; never what stands in them."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FirstAdmin(_Strict):
    username: Annotated[str, Field(min_length=1, max_length=100)]
    password: SecretStr


class GivenAccount(_Strict):
    client_id: Annotated[str, Field(pattern=r"^sa_[a-z0-9-]+_[a-z0-9]+$", max_length=100)]
    client_secret: SecretStr
    name: Annotated[str, Field(min_length=1, max_length=100)]
    kind: AccountKind
    scopes: frozenset[Scope]


class GivenElement(_Strict):
    storage_id: StorageId
    url: ElementUrl


class Bootstrap(_Strict):
    admin: FirstAdmin | None = None
    service_accounts: list[GivenAccount] = []
    storage_elements: list[GivenElement] = []

    @classmethod
    def read(cls, path: Path) -> Bootstrap:
        """Raises OSError, and BootstrapUnreadable."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            # Of pydantic's own text only where and why: it repeats what it read, and that may be a secret.
            found = (
                f"{'.'.join(map(str, one['loc'])) or 'file'}: {one['msg']}" for one in error.errors(include_input=False)
            )
            raise BootstrapUnreadable("; ".join(found)) from None


async def bootstrap(rows: Rows, wanted: Bootstrap, *, vault: KeyVault, hasher: SecretHasher, clock: Clock) -> None:
    now, journal = clock(), Journal(clock)
    key = new_signing_key(vault, now)
    if await rows.keys.add_first(key):
        await journal.done(rows.audit, SYSTEM, "jwt_key.published", key.kid, at_once=True)
    if wanted.admin is not None:
        name, role = wanted.admin.username, Role.ADMIN.value
        password_hash = await hasher.hash(normalised(wanted.admin.password.get_secret_value()))
        if await rows.users.add_first(name, password_hash, now):
            await journal.done(rows.audit, SYSTEM, "admin_user.created", name, role=role)
    for given in wanted.service_accounts:
        await _put_account(rows, given, hasher, journal, now)
    for element in wanted.storage_elements:
        await _put_element(rows, element, journal, now)


async def _put_element(rows: Rows, given: GivenElement, journal: Journal, now: datetime) -> None:
    known = await rows.elements.get(given.storage_id, lock=True)
    if known is not None and known.url == given.url:
        return
    await rows.elements.put(new_element(given.storage_id, given.url, now))
    action = "storage_element.registered" if known is None else "storage_element.changed"
    await journal.done(rows.audit, SYSTEM, action, given.storage_id, url=given.url)


async def _put_account(rows: Rows, given: GivenAccount, hasher: SecretHasher, journal: Journal, now: datetime) -> None:
    secret = given.client_secret.get_secret_value()
    found = await rows.accounts.by_client_id(given.client_id)
    # Locked: somebody may suspend it right now, and that must not be undone.
    known = await rows.accounts.get(found.id, lock=True) if found is not None else None
    if known is None:
        details = {"kind": given.kind.value, "scopes": sorted(given.scopes)}
        await journal.done(rows.audit, SYSTEM, "service_account.created", given.client_id, **details)
        await rows.accounts.add(
            ServiceAccount(
                id=new_id(),
                client_id=given.client_id,
                name=given.name,
                kind=given.kind,
                scopes=given.scopes,
                status=AccountStatus.ACTIVE,
                secret_hash=await hasher.hash(secret),
                secret_expires_at=None,
                previous_secret_hash=None,
                previous_secret_expires_at=None,
                created_at=now,
                updated_at=now,
                # Tokens of one that was deleted must not count for the one that comes again under its name.
                tokens_not_before=before_its_first_token(now),
            )
        )
        return
    same_secret = await hasher.matches_any(secret, [known.secret_hash])
    before, ends = known.tokens_not_before, not same_secret or not known.scopes <= given.scopes
    wanted = replace(
        known,
        secret_hash=known.secret_hash if same_secret else await hasher.hash(secret),
        # The file gives a secret without an end; a rotation by the API may have left one.
        secret_expires_at=None,
        previous_secret_hash=None,
        previous_secret_expires_at=None,
        scopes=given.scopes,
        # What was got by the secret before, or with a scope that is taken away, is no token any more.
        tokens_not_before=end_of_tokens(now, before) if ends else before,
    )
    if wanted != known:
        await rows.accounts.save(replace(wanted, updated_at=now))
        await journal.done(
            rows.audit,
            SYSTEM,
            "service_account.changed",
            given.client_id,
            changes=differences(known, wanted),
            secret_replaced=not same_secret,
        )
