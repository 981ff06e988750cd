"""What tests of people and their sessions share: a clock that is moved, sign-ins, users, what the audit log says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
from admin_service.identity.clock import system_clock
from admin_support import Admin
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

PASSWORD = "long enough for anybody"
ADMIN_PASSWORD = "correct horse"
USERS = "/api/v1/admin-users"


class MovedClock:
    """The system's time, and a while on top."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return system_clock() + self.ahead

    def move(self, **by: float) -> None:
        self.ahead += timedelta(**by)


@dataclass(frozen=True)
class People(Admin):
    """One replica, as people and their programs use it. `app` is the service itself, for other clients."""

    app: Any = None

    async def login(self, username: str = "admin", password: str = ADMIN_PASSWORD) -> httpx.Response:
        return await self.http.post("/api/v1/auth/login", json={"username": username, "password": password})

    async def signed_in(self, username: str = "admin", password: str = ADMIN_PASSWORD) -> dict[str, Any]:
        answer = await self.login(username, password)
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    async def refresh(self, refresh_token: str) -> httpx.Response:
        return await self.http.post("/api/v1/auth/refresh", json={"refresh_token": refresh_token})

    async def logout(self, refresh_token: str) -> httpx.Response:
        return await self.http.post("/api/v1/auth/logout", json={"refresh_token": refresh_token})

    async def me(self, tokens: dict[str, Any]) -> httpx.Response:
        return await self.http.get("/api/v1/auth/me", headers=bearer_of(tokens))

    async def change_password(self, tokens: dict[str, Any], current: str, new: str) -> httpx.Response:
        body = {"current_password": current, "new_password": new}
        return await self.http.post("/api/v1/auth/change-password", json=body, headers=bearer_of(tokens))

    async def create(self, username: str, **fields: Any) -> dict[str, Any]:
        body = {"username": username, "password": PASSWORD, "role": "readonly", **fields}
        answer = await self.http.post(USERS, json=body, headers=await self.bearer())
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    async def user(self, method: str, user_id: str, rest: str = "", **body: Any) -> httpx.Response:
        """A request about one user, by the operator's account."""
        return await self.http.request(
            method, f"{USERS}/{user_id}{rest}", json=body or None, headers=await self.bearer()
        )

    async def id_of(self, username: str) -> str:
        listed = (await self.http.get(USERS, headers=await self.bearer())).json()["items"]
        return next(str(user["id"]) for user in listed if user["username"] == username)

    async def audit(self, action: str) -> list[dict[str, Any]]:
        query = text("SELECT * FROM audit_log WHERE action = :action ORDER BY id")
        async with self.store.transaction() as rows:
            found = await connection_of(rows).execute(query, {"action": action})
            return [dict(row._mapping) for row in found]

    async def count(self, table: str) -> int:
        async with self.store.transaction() as rows:
            return int((await connection_of(rows).execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())


def connection_of(rows: Any) -> AsyncConnection:
    """For what the service itself never asks."""
    connection: AsyncConnection = rows.audit._connection
    return connection


def bearer_of(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}
