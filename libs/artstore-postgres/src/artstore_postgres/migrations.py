"""Alembic, the same for every service that owns tables or indexes: over asyncpg, one migrator at a time.

A service's `migrations/env.py` is two lines that call `run_env`.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from alembic import command, context
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

_PAUSE_SECONDS = 0.5
_WAIT_SECONDS = 3600.0


@dataclass(frozen=True)
class Migrations:
    """A service's own line of revisions. `lock` is its advisory lock: two migrators of one service take turns."""

    scripts: Path
    version_table: str
    lock: int

    def upgrade(self, url: str, revision: str = "head") -> None:
        """Brings the schema to `revision`. Running it again, or twice at once, changes nothing.

        A schema of a later version stays as it is: after a rollback, the version before works on it.
        """
        config = self._config(url)
        config.attributes["stay_where_ahead"] = revision == "head"
        command.upgrade(config, revision)

    def downgrade(self, url: str, revision: str) -> None:
        """Takes out what came after `revision`; `base` takes out everything of this service's."""
        command.downgrade(self._config(url), revision)

    @property
    def head(self) -> str:
        """The revision that this version of the service brings a schema to."""
        head = self._scripts().get_current_head()
        if head is None:
            raise ValueError(f"{self.scripts}: there is no revision")
        return head

    def suffices(self, revision: str | None) -> bool:
        """Whether this version of the service can work on a schema of `revision`: its own, or one it does not know.

        What it does not know is of a later version, and a later schema lets the version before it work.
        """
        return bool(revision) and (revision == self.head or not self.knows(revision))

    def knows(self, revision: str | None) -> bool:
        return revision in {script.revision for script in self._scripts().walk_revisions()}

    def _scripts(self) -> ScriptDirectory:
        return ScriptDirectory.from_config(self._config(""))

    def _config(self, url: str) -> Config:
        config = Config()
        config.set_main_option("script_location", str(self.scripts))
        config.attributes.update(url=url, migrations=self)
        return config


def run_env() -> None:
    """What Alembic runs: migrates the database that `upgrade` or `downgrade` was given."""
    asyncio.run(_migrate(context.config.attributes["url"], context.config.attributes["migrations"]))


async def _migrate(url: str, migrations: Migrations) -> None:
    engine = create_async_engine(make_url(url).set(drivername="postgresql+asyncpg"))
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_run, migrations)
    finally:
        await engine.dispose()


def _run(connection: Connection, migrations: Migrations) -> None:
    _wait_for_turn(connection, migrations.lock)
    context.configure(connection=connection, version_table=migrations.version_table, transaction_per_migration=True)
    now = context.get_context().get_current_revision()
    connection.commit()  # asking has begun a transaction, and Alembic begins its own
    if now is not None and context.config.attributes.get("stay_where_ahead") and not migrations.knows(now):
        return
    with context.begin_transaction():
        context.run_migrations()
    _note_revision(connection, migrations)


def _note_revision(connection: Connection, migrations: Migrations) -> None:
    """Where every role can read it: see schema.py."""
    revision = context.get_context().get_current_revision() or ""
    quoted = revision.replace("'", "''")
    connection.execute(text(f"COMMENT ON TABLE {migrations.version_table} IS '{quoted}'"))
    connection.commit()


def _wait_for_turn(connection: Connection, lock: int) -> None:
    """Asks again and again instead of blocking: a statement that waits holds a snapshot, and CREATE INDEX CONCURRENTLY
    of the migrator that is at work would wait for that snapshot for ever."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": lock}).scalar_one():
        connection.commit()
        if time.monotonic() > deadline:
            raise TimeoutError("another migration of this service does not end")
        time.sleep(_PAUSE_SECONDS)
    connection.commit()
