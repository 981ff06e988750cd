"""What admin's tests share: what a first start is given, and a client for the running service."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from admin_service.bootstrap import Bootstrap, bootstrap
from admin_service.db.engine import Database as Store
from admin_service.identity.clock import system_clock
from admin_service.identity.keys import KeyVault
from admin_service.identity.secrets import Argon2Hasher

ISSUER = "https://artstore.test"
KEY = bytes(range(32))
ALL = ["files:read", "files:write", "storage:read", "storage:write", "admin:read", "admin:write"]
GIVEN: dict[str, Any] = {
    "admin": {"username": "admin", "password": "correct horse"},
    "service_accounts": [
        {"client_id": "sa_operator_1", "client_secret": "operator-secret", "name": "operator", "kind": "client", "scopes": ALL},
        {"client_id": "sa_client_1", "client_secret": "client-secret", "name": "client", "kind": "client", "scopes": ALL[:2]},
        {"client_id": "sa_ingester_1", "client_secret": "ingester-secret", "name": "ingester", "kind": "service", "scopes": ALL[:4]},
    ],
    "storage_elements": [
        {"storage_id": "se-rw-1", "url": "https://127.0.0.1:1"},
        {"storage_id": "se-edit-1", "url": "https://127.0.0.1:2"},
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Admin:
    """A running admin-service and a client for it."""

    http: httpx.AsyncClient
    store: Store

    async def token(self, account: str = "operator", **form: str) -> str:
        answer = await self.ask_token(account, **form)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    async def ask_token(self, account: str = "operator", **form: str) -> httpx.Response:
        return await self.http.post(
            "/api/v1/auth/token",
            data={"grant_type": "client_credentials", **form},
            auth=(f"sa_{account}_1", f"{account}-secret"),
        )

    async def bearer(self, account: str = "operator", **form: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {await self.token(account, **form)}"}


async def run_bootstrap(store: Store, given: object, directory: Path) -> None:
    file = directory / "bootstrap.json"
    file.write_text(json.dumps(given))
    async with store.transaction() as rows:
        await bootstrap(rows, Bootstrap.read(file), vault=KeyVault(KEY), hasher=Argon2Hasher(), clock=system_clock)
