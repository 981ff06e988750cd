"""Keeping the outbox short, and what is counted folded."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# The beginning of the outbox, up to the first event that is too young: what is left has no holes. The mark is moved in
# the same transaction; one replica at a time.
_TRIM = text("""
WITH turn AS MATERIALIZED (
    SELECT pg_try_advisory_xact_lock(hashtextextended('artstore_trim_outbox', 0)) AS ours
), oldest AS MATERIALIZED (
    SELECT transaction_id, id, happened_at FROM outbox
    WHERE (SELECT ours FROM turn) AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
    ORDER BY transaction_id, id LIMIT :at_most
), young AS (
    SELECT transaction_id, id FROM oldest WHERE happened_at >= :before ORDER BY transaction_id, id LIMIT 1
), gone AS (
    DELETE FROM outbox USING oldest
    WHERE (outbox.transaction_id, outbox.id) = (oldest.transaction_id, oldest.id)
        AND NOT EXISTS (SELECT FROM young WHERE (young.transaction_id, young.id) <= (oldest.transaction_id, oldest.id))
    RETURNING outbox.transaction_id, outbox.id
), last AS (
    SELECT transaction_id, id FROM gone ORDER BY transaction_id DESC, id DESC LIMIT 1
), marked AS (
    UPDATE outbox_trimmed AS mark SET transaction_id = last.transaction_id, id = last.id FROM last
    WHERE (mark.transaction_id, mark.id) < (last.transaction_id, last.id)
)
SELECT count(*) FROM gone
""")

# What can be seen was committed, so its transaction is older than the next one to come, unless it is of another cluster.
_FOREIGN = text("""
DELETE FROM outbox WHERE (transaction_id, id) IN (
    SELECT transaction_id, id FROM outbox
    WHERE transaction_id >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint LIMIT :at_most)
""")
_FOREIGN_MARK = text("""
UPDATE outbox_trimmed SET transaction_id = 0, id = 0
WHERE transaction_id >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint
""")
_FOLD = text("SELECT artstore_fold_usage(:at_most)")
_EXPIRED = text("""
DELETE FROM quota_reservations
WHERE file_id IN (SELECT file_id FROM quota_reservations WHERE expires_at <= :now LIMIT :at_most) AND expires_at <= :now
""")
_EXPIRED_KEYS = text("""
DELETE FROM idempotency_keys
WHERE (principal, key_hash) IN (
    SELECT principal, key_hash FROM idempotency_keys WHERE expires_at <= :now LIMIT :at_most FOR UPDATE SKIP LOCKED)
    AND expires_at <= :now
""")


class OutboxTable:
    """registry.outbox.OutboxRows."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def trim(self, before: datetime, at_most: int) -> int:
        return int((await self._connection.execute(_TRIM, {"before": before, "at_most": at_most})).scalar_one())

    async def remove_foreign(self, at_most: int) -> int:
        await self._connection.execute(_FOREIGN_MARK)
        return (await self._connection.execute(_FOREIGN, {"at_most": at_most})).rowcount

    async def fold_usage(self, at_most: int) -> int:
        return int((await self._connection.execute(_FOLD, {"at_most": at_most})).scalar_one())

    async def remove_expired_reservations(self, now: datetime, at_most: int) -> int:
        return (await self._connection.execute(_EXPIRED, {"now": now, "at_most": at_most})).rowcount

    async def remove_expired_keys(self, now: datetime, at_most: int) -> int:
        return (await self._connection.execute(_EXPIRED_KEYS, {"now": now, "at_most": at_most})).rowcount
