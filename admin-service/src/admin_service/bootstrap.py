"""The first start: the first admin, the services' own accounts, the storage elements, from one file (requirement I11).

Idempotent: what is there stays as it is, save that a service account's secret and scopes and an element's url follow
the file.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

from artstore_core.elements import StorageId
from artstore_core.ids import new_id
from artstore_core.scopes import AccountKind, Scope
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from admin_service.identity.accounts import AccountRows, AccountStatus, ServiceAccount
from admin_service.identity.clock import Clock
from admin_service.identity.keys import KeyVault, new_signing_key
from admin_service.identity.passwords import normalised
from admin_service.identity.secrets import SecretHasher
from admin_service.registry.addresses import ElementUrl
from admin_service.registry.elements import new_element
from admin_service.store import Rows


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
        """Raises pydantic's ValidationError, which names each wrong field."""
        return cls.model_validate_json(path.read_bytes())


async def bootstrap(rows: Rows, wanted: Bootstrap, *, vault: KeyVault, hasher: SecretHasher, clock: Clock) -> None:
    now = clock()
    await rows.keys.add_first(new_signing_key(vault, now))
    if wanted.admin is not None:
        password_hash = await hasher.hash(normalised(wanted.admin.password.get_secret_value()))
        await rows.users.add_first(wanted.admin.username, password_hash, now)
    for given in wanted.service_accounts:
        await _put_account(rows.accounts, given, hasher, now)
    for element in wanted.storage_elements:
        await rows.elements.put(new_element(element.storage_id, element.url, now))


async def _put_account(rows: AccountRows, given: GivenAccount, hasher: SecretHasher, now: datetime) -> None:
    secret = given.client_secret.get_secret_value()
    known = await rows.by_client_id(given.client_id)
    if known is None:
        await rows.add(
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
            )
        )
        return
    same_secret = await hasher.matches_any(secret, [known.secret_hash])
    wanted = replace(
        known,
        secret_hash=known.secret_hash if same_secret else await hasher.hash(secret),
        # The file gives a secret without an end; a rotation by the API may have left one.
        secret_expires_at=None,
        previous_secret_hash=None,
        previous_secret_expires_at=None,
        scopes=given.scopes,
    )
    if wanted != known:
        await rows.save(replace(wanted, updated_at=now))
