"""The way to PostgreSQL."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

CONNECT_SECONDS = 2.0
POOL_SIZE = 5


def make_engine(url: str) -> AsyncEngine:
    """Connects when first used. `url` is `postgresql://…`."""
    return create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"),
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=CONNECT_SECONDS,
        pool_pre_ping=True,
        connect_args={
            "timeout": CONNECT_SECONDS,
            "command_timeout": CONNECT_SECONDS,
            "server_settings": {"application_name": "render-service"},
        },
    )


class Database:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def probe(self) -> None:
        """For readiness: raises when no statement can be run."""
        async with self._engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        await self._engine.dispose()
