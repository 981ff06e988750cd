"""What admin does to the outbox and the counts by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from admin_service.db.engine import Database as Store
from admin_service.registry.outbox import Upkeep
from admin_support import Admin
from artstore_core.ids import new_id
from artstore_postgres.engine import make_engine
from artstore_testing.postgres import Database
from prometheus_client import CollectorRegistry
from schema_support import INSERT, connected, usage, write


@pytest.mark.parametrize("kept_days", [7, 1])
async def test_old_events_go_and_everything_else_stays(migrated: Database, kept_days: int) -> None:
    store = Store(make_engine(migrated.url("artstore_admin"), application="test", pool_size=2))
    registry = CollectorRegistry()
    async with connected(migrated) as owner:
        await owner.execute("DELETE FROM outbox")
        for age in (9, 8, 3):
            await owner.execute(
                "INSERT INTO outbox (kind, subject, happened_at) VALUES ('x', $1, $2)",
                str(age),
                datetime.now(UTC) - timedelta(days=age),
            )
        await owner.execute("INSERT INTO outbox (transaction_id, kind, subject) VALUES (10^15::bigint, 'x', 'foreign')")
        for hours in (-1, 1):
            await owner.execute(
                "INSERT INTO quota_reservations VALUES ($1, 'sa:a', 1, now() + $2::int * interval '1 h')",
                new_id(),
                hours,
            )
            await owner.execute(
                "INSERT INTO idempotency_keys (principal, key_hash, file_id, holder, lease_until, expires_at)"
                " VALUES ('sa:a', int4send($2), $1, $1, now(), now() + $2::int * interval '1 h')",
                new_id(),
                hours,
            )
        await write(owner, INSERT, [(new_id(), 5, "sa:a", "active")])
        upkeep = Upkeep(store.outbox_rows, lambda: datetime.now(UTC), keep_days=kept_days, registry=registry)
        await upkeep.trim()
        await upkeep.fold()
        left = [row["subject"] for row in await owner.fetch("SELECT subject FROM outbox WHERE kind = 'x'")]
        assert left == (["3"] if kept_days == 7 else [])
        assert registry.get_sample_value("artstore_outbox_trimmed_total") == 3 - len(left)
        assert await owner.fetchval("SELECT count(*) FROM quota_reservations") == 1
        assert await owner.fetchval("SELECT count(*) FROM idempotency_keys") == 1
        assert await owner.fetchval("SELECT count(*) FROM account_usage_changes") == 0
        assert await usage(owner) == {"sa:a": (1, 5)}
    await store.close()


async def test_the_service_does_so_at_its_start(admin: Admin) -> None:
    answer = await admin.http.get("/metrics")
    assert "artstore_outbox_trimmed_total" in answer.text
    assert "artstore_audit_entries_dropped_total" in answer.text
