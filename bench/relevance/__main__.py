"""How good is search's order? The judged queries on a real PostgreSQL: `python -m bench.relevance [--worst N]`."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
from admin_service.db.migrate import MIGRATIONS as ADMIN_MIGRATIONS
from artstore_postgres.engine import make_engine
from artstore_testing.postgres import Database, PostgresServer, running_postgres
from query_service.db import engine
from query_service.db.migrate import MIGRATIONS
from query_service.db.search import SearchIndex
from query_service.search.request import SearchMode, SearchRequest
from query_service.search.service import search

from bench.relevance.judged import corpus
from bench.relevance.measure import Scored, measure, table

_FILE = """
INSERT INTO files (file_id, storage_element_id, original_filename, content_type, size, checksum, uploaded_by, uploaded_at,
    status, retention_policy, revision, description, tags, metadata)
VALUES ($1, 'se', $2, 'application/octet-stream', 1, repeat('0', 64), 'sa:x', $3, 'active', 'permanent', 1, $4, $5, $6)
"""
_ELEMENT = """
INSERT INTO storage_elements (storage_id, url, status, created_at, updated_at) VALUES ('se', 'u', 'online', now(), now())
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worst", type=int, default=0, help="also say of so many queries what was found instead")
    worst = parser.parse_args().worst
    with (
        tempfile.TemporaryDirectory(prefix="artstore-pg-") as home,
        running_postgres(Path(home) / "data") as postgres,
        postgres.database() as database,
    ):
        prepare(postgres, database)
        scored = asyncio.run(_measured(database))
    print(table(scored))
    for one in sorted(scored, key=lambda one: one.score)[:worst]:
        print(f"\n{one.score:.3f} {one.judged.mode}: {one.judged.query}")
        for name in one.found:
            print(f"  {one.judged.grades.get(name, 0)} {name}")
        print(f"  missing: {[name for name in one.judged.grades if name not in one.found][:5]}")


def prepare(postgres: PostgresServer, database: Database) -> None:
    ADMIN_MIGRATIONS.upgrade(database.url())
    MIGRATIONS.upgrade(database.url())
    postgres.allow_login("artstore_admin", "artstore_query", "artstore_render")


async def _measured(database: Database) -> list[Scored]:
    connection = await asyncpg.connect(database.url())
    await connection.execute(_ELEMENT)
    now = datetime.now(UTC)
    for one in corpus():
        at = now - timedelta(hours=one.age)
        described = (one.description or None, list(one.tags), json.dumps(dict(one.metadata)))
        await connection.execute(_FILE, uuid4(), one.name, at, *described)
    await connection.execute("ANALYZE files")
    await connection.close()
    held = engine.Database(
        make_engine(
            database.url("artstore_query"),
            application="relevance",
            pool_size=1,
            settings=engine.SETTINGS,
            isolation_level=engine.ISOLATION,
        )
    )
    index = SearchIndex(held, loose_seconds=60)

    async def find(mode: str, query: str, limit: int) -> Sequence[str]:
        answer = await search(index, SearchRequest(query=query, mode=SearchMode(mode), limit=limit))
        return [item.original_filename for item in answer.items]

    try:
        return await measure(find)
    finally:
        await held.close()


if __name__ == "__main__":
    main()
