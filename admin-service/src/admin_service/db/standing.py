"""What PostgreSQL knows of a token and its principal."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_service.db.tables import admin_users, refresh_tokens, revoked_tokens, service_accounts, sessions
from admin_service.identity.standing import Known


class StandingTable:
    """identity.standing.StandingRows."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def of_account(self, client_id: str, token_id: str) -> Known | None:
        table = service_accounts
        return await self._known(table, table.c.client_id == client_id, _revoked(token_id))

    async def of_user(self, username: str, token_id: str) -> Known | None:
        session_ended = exists().where(
            refresh_tokens.c.access_token_id == token_id,
            sessions.c.id == refresh_tokens.c.session_id,
            sessions.c.revoked_at.is_not(None),
        )
        table = admin_users
        return await self._known(table, table.c.username == username, or_(_revoked(token_id), session_ended))

    async def _known(self, table: Any, condition: ColumnElement[bool], revoked: ColumnElement[bool]) -> Known | None:
        query = select(table.c.status, table.c.tokens_not_before, revoked.label("revoked")).where(condition)
        row = (await self._connection.execute(query)).one_or_none()
        return Known(row.status == "active", row.tokens_not_before, row.revoked) if row else None


class RevokedTable:
    """identity.inspection.RevokedRows."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, token_id: str, expires_at: datetime) -> bool:
        statement = insert(revoked_tokens).values(jti=token_id, expires_at=expires_at).on_conflict_do_nothing()
        return bool((await self._connection.execute(statement)).rowcount)

    async def remove_old(self, before: datetime, *, at_most: int = 20) -> None:
        old = (
            select(revoked_tokens.c.jti)
            .where(revoked_tokens.c.expires_at < before)
            .order_by(revoked_tokens.c.expires_at)
            .limit(at_most)
            .with_for_update(skip_locked=True)
            .cte("old")
        )
        await self._connection.execute(delete(revoked_tokens).where(revoked_tokens.c.jti.in_(select(old.c.jti))))


def _revoked(token_id: str) -> ColumnElement[bool]:
    return exists().where(revoked_tokens.c.jti == token_id)
