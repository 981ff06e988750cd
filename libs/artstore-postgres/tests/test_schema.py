"""A service waits for the schema of its own version, asks for it without any right, and takes a later one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from artstore_postgres.migrations import Migrations
from artstore_postgres.schema import NotThere, wait_for_schema
from artstore_testing.postgres import Database

ENVIRONMENT = "from artstore_postgres.migrations import run_env\n\nrun_env()\n"
REVISION = """
from alembic import op

revision, down_revision, branch_labels, depends_on = "{number}", {before!r}, None, None


def upgrade() -> None:
    op.execute("CREATE TABLE things_{number} (id int)")


def downgrade() -> None:
    op.execute("DROP TABLE things_{number}")
"""


def scripts(directory: Path, count: int) -> Migrations:
    """A service's migrations `0001` to `count`."""
    versions = directory / "versions"
    versions.mkdir(parents=True)
    (directory / "env.py").write_text(ENVIRONMENT)
    for number in range(1, count + 1):
        before = f"{number - 1:04}" if number > 1 else None
        (versions / f"{number:04}.py").write_text(REVISION.format(number=f"{number:04}", before=before))
    return Migrations(scripts=directory, version_table="alembic_version_things", lock=0x7468)


@pytest.fixture
def older(tmp_path: Path) -> Migrations:
    return scripts(tmp_path / "older", 1)


@pytest.fixture
def newer(tmp_path: Path) -> Migrations:
    return scripts(tmp_path / "newer", 2)


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database.url())
    yield connection
    await connection.close()


async def waited(url: str, migrations: Migrations, seconds: float = 0, *, only_database: bool = False) -> list[str]:
    """What was said while waiting."""
    said: list[str] = []

    def wait() -> None:
        wait_for_schema(url, migrations, seconds=seconds, only_database=only_database, say=said.append)

    await asyncio.to_thread(wait)
    return said


async def test_what_is_there_is_not_waited_for(database: Database, newer: Migrations) -> None:
    await asyncio.to_thread(newer.upgrade, database.url())
    assert await waited(database.url(), newer) == []


async def test_a_schema_that_is_not_there_ends_the_command_with_words(database: Database, newer: Migrations) -> None:
    with pytest.raises(NotThere, match="the schema is at nothing, not yet at 0002"):
        await waited(database.url(), newer)
    assert await waited(database.url(), newer, only_database=True) == []


async def test_an_older_schema_is_not_enough(database: Database, older: Migrations, newer: Migrations) -> None:
    await asyncio.to_thread(older.upgrade, database.url())
    with pytest.raises(NotThere, match="at 0001, not yet at 0002"):
        await waited(database.url(), newer)


async def test_a_migration_that_runs_meanwhile_ends_the_waiting(database: Database, newer: Migrations) -> None:
    waiting = asyncio.create_task(waited(database.url(), newer, 30))
    await asyncio.to_thread(newer.upgrade, database.url())
    assert len(await waiting) <= 1


async def test_a_later_schema_is_enough_and_stays_when_the_version_before_migrates(
    database: Database, owner: asyncpg.Connection, older: Migrations, newer: Migrations
) -> None:
    await asyncio.to_thread(newer.upgrade, database.url())
    assert await waited(database.url(), older) == []
    await asyncio.to_thread(older.upgrade, database.url())
    assert await owner.fetchval("SELECT version_num FROM alembic_version_things") == "0002"
    assert await waited(database.url(), newer) == []


async def test_after_a_downgrade_it_is_waited_for_again(database: Database, newer: Migrations) -> None:
    await asyncio.to_thread(newer.upgrade, database.url())
    await asyncio.to_thread(newer.downgrade, database.url(), "0001")
    with pytest.raises(NotThere):
        await waited(database.url(), newer)


async def test_a_role_without_any_right_may_ask(database: Database, newer: Migrations) -> None:
    await asyncio.to_thread(newer.upgrade, database.url())
    anybody = await asyncpg.connect(database.url("postgres"))
    try:
        await anybody.execute("SET ROLE pg_signal_backend")
        asked = "SELECT obj_description(to_regclass('alembic_version_things'), 'pg_class')"
        assert await anybody.fetchval(asked) == "0002"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await anybody.fetchval("SELECT version_num FROM alembic_version_things")
    finally:
        await anybody.close()


async def test_an_absent_database_is_waited_for_in_words_without_secrets(newer: Migrations) -> None:
    with pytest.raises(NotThere) as absent:
        await waited("postgresql://nobody:hush@127.0.0.1:1/none", newer)
    assert "hush" not in str(absent.value)
