"""`python -m artstore_stack.kubernetes PLAN`: the Secrets of a release of the chart `artstore`, made once.

All of them follow from one, the store. It is written before any other, so a Job that is killed half-way goes on with the
same values; what is there already stays. Whoever loses another Secret gets the same one back, whoever loses the store
does not.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from artstore_tickets.keys import element_key, encode_key
from pydantic import BaseModel, ConfigDict, Field

from artstore_stack.accounts import ACCOUNTS, ADMIN_USER
from artstore_stack.database import OWNER, RUNTIME_ROLES, extensions_script, owner_script, roles_script
from artstore_stack.kubernetes_api import Conflict, KubernetesSecrets, Secrets
from artstore_stack.postgres import SUPERUSER
from artstore_stack.secret_store import SecretStore

STORE: Final = "store"
_TRIES: Final = 5
_WITH_ACCOUNT: Final = ("ingester", "query", "render")
_WITH_DATABASE: Final = {"admin": "artstore_admin", "query": "artstore_query", "render": "artstore_render"}
_BOOTSTRAPPED: Final = ("operator", *_WITH_ACCOUNT)
_ROLE_SQL: Final = (
    "SELECT 'CREATE ROLE {role}' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') \\gexec\n"
)

Data = dict[str, str]


class Server(BaseModel):
    """Where PostgreSQL is; `options` is what stands behind `?` in its url."""

    host: str
    port: int
    name: str
    options: str = ""


class Plan(BaseModel):
    """What the chart wants. `secrets`: names by what they are for; what is not named there is somebody else's to make."""

    model_config = ConfigDict(extra="forbid")

    secrets: dict[str, str]
    labels: dict[str, str]
    gateway: str
    bootstrap_key: str = Field(alias="bootstrapKey")
    elements: dict[str, str]
    database: Server


def make(plan: Plan, secrets: Secrets) -> list[str]:
    """Names of the Secrets that were written; none where all are as they should be.

    Raises Conflict when others keep writing the store, httpx.HTTPError when Kubernetes refuses.
    """
    data, written = _kept(plan, secrets)
    for purpose, content in data.items():
        name = plan.secrets.get(purpose)
        found = secrets.read(name) if name else None
        if name and (found is None or found.data != content):
            secrets.write(name, content, plan.labels, found)
            written.append(name)
    return written


def _kept(plan: Plan, secrets: Secrets) -> tuple[dict[str, Data], list[str]]:
    """What each Secret should hold, once what it follows from is in the store."""
    name = plan.secrets[STORE]
    for _ in range(_TRIES):
        found = secrets.read(name)
        with TemporaryDirectory() as directory:
            store = Path(directory)
            for key, value in found.data.items() if found else ():
                (store / key).write_text(value)
            wanted = contents(plan, SecretStore(store))
            kept = {path.name: path.read_text() for path in store.iterdir()}
        if found is not None and found.data == kept:
            return wanted, []
        try:
            secrets.write(name, kept, plan.labels, found)
        except Conflict:
            continue  # another Job was first: its values count
        return wanted, [name]
    raise Conflict(name)


def contents(plan: Plan, store: SecretStore) -> dict[str, Data]:
    """Every Secret but the store itself, by what it is for."""
    master = store.key("ticket-master-key")
    found: dict[str, Data] = {
        "database": {
            "password": store.password(f"db-{SUPERUSER}"),
            "setup.sql": _setup_script(plan, store),
            "extensions.sql": extensions_script(),
        },
        "migrations": {"database_url": _url(plan, store, OWNER)},
        "admin": {"key_encryption_key": store.key("key-encryption-key"), plan.bootstrap_key: _bootstrap(plan, store)},
        "elements": {name: encode_key(element_key(base64.b64decode(master), name)) for name in sorted(plan.elements)},
        "operator": {
            "username": ADMIN_USER,
            "password": store.password("admin-password"),
            **_account(store, "operator"),
        },
    }
    for service in _WITH_ACCOUNT:
        found[service] = {**_account(store, service), "ticket_master_key": master}
    for service, role in _WITH_DATABASE.items():
        found[service]["database_url"] = _url(plan, store, role)
    return found


def _account(store: SecretStore, name: str) -> Data:
    return {"client_id": store.client_id(name), "client_secret": store.password(f"client-{name}")}


def _url(plan: Plan, store: SecretStore, role: str) -> str:
    server = plan.database
    options = f"?{server.options}" if server.options else ""
    return f"postgresql://{role}:{store.password(f'db-{role}')}@{server.host}:{server.port}/{server.name}{options}"


def _setup_script(plan: Plan, store: SecretStore) -> str:
    """SQL for psql, as a superuser. The run-time roles may be there before admin's migrations, which want them without."""
    roles = "".join(_ROLE_SQL.format(role=role) for role in RUNTIME_ROLES)
    return owner_script(store, plan.database.name) + roles + roles_script(store)


def _bootstrap(plan: Plan, store: SecretStore) -> str:
    accounts: list[Mapping[str, Any]] = [
        {"name": name, **_account(store, name), **ACCOUNTS[name]} for name in _BOOTSTRAPPED
    ]
    elements = [{"storage_id": name, "url": url} for name, url in sorted(plan.elements.items())]
    admin = {"username": ADMIN_USER, "password": store.password("admin-password")}
    return json.dumps({"admin": admin, "service_accounts": accounts, "storage_elements": elements}, indent=1)


def main(plan: str) -> None:
    with KubernetesSecrets.of_this_pod(os.environ) as secrets:
        for name in make(Plan.model_validate_json(Path(plan).read_text()), secrets):
            sys.stdout.write(f"secret {name} written\n")


if __name__ == "__main__":
    main(sys.argv[1])
