"""Sessions and refresh tokens in PostgreSQL."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_service.db.tables import refresh_tokens, sessions
from admin_service.identity.sessions import RefreshToken, Session

_SESSION_FIELDS = len(fields(Session))


class SessionTable:
    """identity.sessions.SessionRows."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, session: Session) -> None:
        await self._connection.execute(insert(sessions).values(asdict(session)))

    async def add_token(self, token: RefreshToken) -> None:
        await self._connection.execute(insert(refresh_tokens).values(asdict(token)))

    async def find(self, token_hash: bytes) -> tuple[Session, RefreshToken] | None:
        columns = [sessions.c[field.name] for field in fields(Session)]
        columns += [refresh_tokens.c[field.name] for field in fields(RefreshToken)]
        query = (
            select(*columns)
            .join_from(refresh_tokens, sessions, refresh_tokens.c.session_id == sessions.c.id)
            .where(refresh_tokens.c.token_hash == token_hash)
        )
        row = (await self._connection.execute(query)).one_or_none()
        if row is None:
            return None
        return Session(*row[:_SESSION_FIELDS]), RefreshToken(*row[_SESSION_FIELDS:])

    async def lock(self, session_id: UUID) -> Session | None:
        query = select(sessions).where(sessions.c.id == session_id).with_for_update()
        row = (await self._connection.execute(query)).one_or_none()
        return Session(**row._mapping) if row else None

    async def use(self, token_hash: bytes, now: datetime) -> bool:
        unused = (refresh_tokens.c.token_hash == token_hash, refresh_tokens.c.used_at.is_(None))
        return bool(
            (await self._connection.execute(update(refresh_tokens).where(*unused).values(used_at=now))).rowcount
        )

    async def seen(self, token_hash: bytes, now: datetime) -> None:
        of_token = refresh_tokens.c.token_hash == token_hash
        await self._connection.execute(update(refresh_tokens).where(of_token).values(seen_at=now))

    async def revoke(self, session_id: UUID, now: datetime, because: str) -> bool:
        statement = (
            update(sessions)
            .where(sessions.c.id == session_id, sessions.c.revoked_at.is_(None))
            .values(revoked_at=now, revoked_because=because)
        )
        return bool((await self._connection.execute(statement)).rowcount)

    async def revoke_all(self, user_id: UUID, now: datetime, because: str, *, but_of_token: str | None = None) -> int:
        statement = (
            update(sessions)
            .where(sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None))
            .values(revoked_at=now, revoked_because=because)
        )
        if but_of_token is not None:
            of_token = select(refresh_tokens.c.session_id).where(refresh_tokens.c.access_token_id == but_of_token)
            statement = statement.where(sessions.c.id.not_in(of_token))
        return int((await self._connection.execute(statement)).rowcount)

    async def remove_old(self, before: datetime, *, at_most: int = 20) -> None:
        old = (
            select(sessions.c.id)
            .where(sessions.c.expires_at < before)
            .order_by(sessions.c.expires_at)
            .limit(at_most)
            .with_for_update(skip_locked=True)
            .cte("old")
        )
        await self._connection.execute(delete(sessions).where(sessions.c.id.in_(select(old.c.id))))
