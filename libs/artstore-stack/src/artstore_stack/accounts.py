"""The first accounts: what admin is told at its first start, and what programs read (`credentials.json`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artstore_stack.files import write_private
from artstore_stack.secret_store import SecretStore

ADMIN_USER = "admin"

_ALL_SCOPES = ["files:read", "files:write", "storage:read", "storage:write", "admin:read", "admin:write"]

ACCOUNTS: dict[str, dict[str, Any]] = {
    "operator": {"kind": "client", "scopes": _ALL_SCOPES},
    "client": {"kind": "client", "scopes": ["files:read", "files:write"]},
    "service": {"kind": "service", "scopes": ["files:read", "files:write", "storage:read", "storage:write"]},
    "ingester": {"kind": "service", "scopes": ["files:write", "storage:read"]},
    "query": {"kind": "service", "scopes": ["files:read"]},
    "render": {"kind": "service", "scopes": ["files:read"]},
    "routes": {"kind": "service", "scopes": ["storage:read"]},
}
_SHOWN = ("operator", "client", "service")  # the services' own accounts are nobody else's business


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a stack can be reached; everything of `credentials.json` that is no account."""

    gateway: str
    gateway_tls: str
    services: Mapping[str, str]
    elements: Mapping[str, str]
    ca: str
    database_url: str
    data_dir: str


def write_bootstrap(path: Path, secrets: SecretStore, elements: Mapping[str, str]) -> None:
    """The file that `admin_service bootstrap` reads. `elements`: URL by storage id."""
    accounts = [
        {
            "client_id": secrets.client_id(name),
            "client_secret": secrets.password(f"client-{name}"),
            "name": name,
            **account,
        }
        for name, account in ACCOUNTS.items()
    ]
    listed = [{"storage_id": storage_id, "url": url} for storage_id, url in elements.items()]
    content = {"admin": _admin(secrets), "service_accounts": accounts, "storage_elements": listed}
    write_private(path, _json(content))


def write_credentials(path: Path, secrets: SecretStore, addresses: Addresses) -> None:
    """`credentials.json`, mode 0600."""
    content = {
        "gateway": addresses.gateway,
        "gateway_tls": addresses.gateway_tls,
        "console": f"{addresses.gateway}/admin",
        "admin": _admin(secrets),
        "service_accounts": {name: _shown(name, secrets) for name in _SHOWN},
        "services": dict(addresses.services),
        "storage_elements": dict(addresses.elements),
        "ca": addresses.ca,
        "database_url": addresses.database_url,
        "data_dir": addresses.data_dir,
    }
    write_private(path, _json(content))


def _admin(secrets: SecretStore) -> dict[str, str]:
    return {"username": ADMIN_USER, "password": secrets.password("admin-password")}


def _shown(name: str, secrets: SecretStore) -> dict[str, Any]:
    account = ACCOUNTS[name]
    kind = {"kind": account["kind"]} if account["kind"] != "client" else {}
    return {
        "client_id": secrets.client_id(name),
        "client_secret": secrets.password(f"client-{name}"),
        **kind,
        "scopes": account["scopes"],
    }


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
