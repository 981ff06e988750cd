"""Keys by which a request that is sent again is known. Expands only."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_SCRIPT = """
CREATE TABLE idempotency_keys (
    principal text NOT NULL,
    key_hash bytea NOT NULL,
    file_id uuid NOT NULL,
    holder uuid NOT NULL,
    again boolean NOT NULL DEFAULT false,
    lease_until timestamptz NOT NULL,
    fingerprint bytea,
    answer jsonb,
    expires_at timestamptz NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (principal, key_hash)
);
CREATE INDEX idempotency_keys_expires_at_idx ON idempotency_keys (expires_at);

GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO artstore_admin;
"""


def upgrade() -> None:
    for statement in _SCRIPT.split(";"):
        if statement.strip():
            op.execute(statement)
