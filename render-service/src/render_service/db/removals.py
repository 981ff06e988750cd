"""jobs.janitor.Removals on PostgreSQL."""

from __future__ import annotations

from uuid import UUID

from artstore_postgres.engine import Postgres

from render_service.db.queries import query
from render_service.renditions.store import RenditionStore


class RemovalRows:
    def __init__(self, database: Postgres) -> None:
        self._database = database

    async def next(self, store: RenditionStore) -> bool:
        async with self._database.transaction() as connection:
            row = (await connection.execute(query("claim_removal"))).one_or_none()
            if row is None:
                return False
            file_id, run = _of(row.prefix)
            given = {"file_id": file_id, "run": run, "prefix": row.prefix}
            in_use = (await connection.execute(query("in_use"), given)).scalar_one()
        if not in_use:
            # In no transaction: whoever follows the registry waits for the oldest one, and a store may hang for minutes.
            await store.remove_all(row.prefix)
            async with self._database.transaction() as connection:
                await connection.execute(query("removed"), {"prefix": row.prefix, "due": row.due})
        return True

    async def clean(self) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(query("clean_log"))
            await connection.execute(query("clean_views"))


def _of(prefix: str) -> tuple[UUID, UUID | None]:
    """The file, and where the prefix is of one run only, that."""
    file_id, _, rest = prefix.partition("/")
    return UUID(file_id), UUID(rest[:36]) if rest else None
