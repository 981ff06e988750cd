"""An absent PostgreSQL is told from a wrong statement, and a slow statement ends."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from artstore_core.errors import AdminUnavailable
from artstore_postgres.engine import Postgres, driver_error, make_engine
from artstore_testing.postgres import Database
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError


def connect(url: str, statement_seconds: float = 30) -> Postgres:
    engine = make_engine(url, application="test", pool_size=1, statement_seconds=statement_seconds)
    return Postgres(engine, away=lambda: AdminUnavailable("away"))


@pytest.fixture
async def postgres_here(database: Database) -> AsyncIterator[Postgres]:
    connected = connect(database.url(), statement_seconds=0.2)
    yield connected
    await connected.close()


async def test_absent_server_is_unavailable() -> None:
    absent = connect("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(AdminUnavailable):
        async with absent.transaction():
            pass
    await absent.close()


async def test_wrong_statement_stays_a_wrong_statement(postgres_here: Postgres) -> None:
    with pytest.raises(DBAPIError) as wrong:
        async with postgres_here.transaction() as connection:
            await connection.execute(text("SELECT nothing FROM nowhere"))
    assert isinstance(driver_error(wrong.value), asyncpg.UndefinedTableError)


async def test_slow_statement_is_cancelled(postgres_here: Postgres) -> None:
    with pytest.raises(DBAPIError) as slow:
        async with postgres_here.reading() as connection:
            await connection.execute(text("SELECT pg_sleep(30)"))
    assert isinstance(driver_error(slow.value), asyncpg.QueryCanceledError)


async def test_connection_cut_under_a_transaction_is_unavailable_and_the_next_one_works(
    postgres_here: Postgres, database: Database
) -> None:
    other = await asyncpg.connect(database.url("postgres"))
    with pytest.raises(AdminUnavailable):
        async with postgres_here.transaction() as connection:
            pid = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
            await other.execute("SELECT pg_terminate_backend($1)", pid)
            await connection.execute(text("SELECT 1"))
    await other.close()
    await postgres_here.probe()


async def test_failed_transaction_leaves_nothing(postgres_here: Postgres) -> None:
    with pytest.raises(LookupError):
        async with postgres_here.transaction() as connection:
            await connection.execute(text("CREATE TABLE half (id int)"))
            raise LookupError
    async with postgres_here.reading() as connection:
        assert (await connection.execute(text("SELECT to_regclass('half')"))).scalar_one() is None


async def test_connections_are_there_before_they_are_asked_for(database: Database) -> None:
    engine = make_engine(database.url(), application="warmed", pool_size=3)
    warmed = Postgres(engine, away=lambda: AdminUnavailable("away"))
    await warmed.warm(3)
    counted = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'warmed'")
    async with warmed.reading() as connection:
        assert (await connection.execute(counted)).scalar_one() == 3
    await warmed.close()


async def test_an_absent_server_does_not_keep_a_service_from_starting() -> None:
    absent = connect("postgresql://nobody@127.0.0.1:1/none")
    await absent.warm(3)
    await absent.close()
