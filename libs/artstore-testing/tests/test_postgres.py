"""The fixtures themselves: what other packages' tests stand on."""

from __future__ import annotations

import asyncpg
from artstore_testing.postgres import Database


async def test_database_is_real_empty_and_knows_cyrillic(database: Database) -> None:
    connection = await asyncpg.connect(database.url())
    try:
        assert (await connection.fetchval("SHOW server_version")).startswith("18")
        assert await connection.fetchval("SELECT lower('ОТЧЁТ') = 'отчёт'")
        assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    finally:
        await connection.close()
