"""The tables as SQLAlchemy sees them. The migrations make them; a test holds the two equal."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    false,
    func,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)
Moment = DateTime(timezone=True)


def _quota() -> list[Column[int]]:
    """None: no bound."""
    return [
        Column("quota_bytes", BigInteger, CheckConstraint("quota_bytes >= 0", "quota_bytes")),
        Column("quota_files", BigInteger, CheckConstraint("quota_files >= 0", "quota_files")),
    ]


service_accounts = Table(
    "service_accounts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("client_id", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, CheckConstraint("kind IN ('client', 'service')", "kind"), nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("status", Text, CheckConstraint("status IN ('active', 'suspended')", "status"), nullable=False),
    Column("secret_hash", Text, nullable=False),
    Column("secret_expires_at", Moment),
    Column("previous_secret_hash", Text),
    Column("previous_secret_expires_at", Moment),
    Column("tokens_not_before", Moment),
    *_quota(),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

admin_users = Table(
    "admin_users",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("username", Text, nullable=False, unique=True),
    Column("role", Text, CheckConstraint("role IN ('admin', 'readonly')", "role"), nullable=False),
    Column("password_hash", Text, nullable=False),
    Column(
        "status",
        Text,
        CheckConstraint("status IN ('active', 'suspended')", "status"),
        nullable=False,
        server_default="active",
    ),
    Column("must_change_password", Boolean, nullable=False, server_default=false()),
    Column("tokens_not_before", Moment),
    Column("last_login_at", Moment),
    *_quota(),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_id", Uuid, ForeignKey("admin_users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    Column("revoked_at", Moment),
    Column("revoked_because", Text),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("session_id", Uuid, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False, index=True),
    # The access token that was given out beside it: what a token belongs to, and what ends with a session.
    Column("access_token_id", Text, nullable=False, index=True),
    Column("issued_at", Moment, nullable=False),
    Column("used_at", Moment),
    Column("seen_at", Moment),
)

revoked_tokens = Table(
    "revoked_tokens",
    metadata,
    Column("jti", Text, primary_key=True),
    Column("expires_at", Moment, nullable=False, index=True),
)

sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("name_hash", LargeBinary, primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("last_attempt_at", Moment, nullable=False, index=True),
    Column("locked_until", Moment),
)

jwt_keys = Table(
    "jwt_keys",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("public_jwk", JSONB, nullable=False),
    Column("private_encrypted", LargeBinary),
    Column("active_from", Moment, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("withdrawn_at", Moment),
)

storage_elements = Table(
    "storage_elements",
    metadata,
    Column("storage_id", Text, primary_key=True),
    Column("url", Text, nullable=False, unique=True),
    Column("status", Text, CheckConstraint("status IN ('online', 'offline')", "status"), nullable=False),
    Column("mode", Text, CheckConstraint("mode IN ('edit', 'rw', 'ro', 'ar')", "mode")),
    Column("version", Text),
    Column("capacity_bytes", BigInteger),
    Column("used_bytes", BigInteger),
    Column("available_bytes", BigInteger),
    Column("last_error", Text),
    Column("last_seen_at", Moment),
    Column("checked_at", Moment),
    Column("description", Text),
    Column("epoch", Uuid),
    Column("sequence", BigInteger),
    Column("synced_epoch", Uuid),
    Column("synced_sequence", BigInteger),
    Column("synced_at", Moment),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

files = Table(
    "files",
    metadata,
    Column("file_id", Uuid, primary_key=True),
    Column("storage_element_id", Text, ForeignKey("storage_elements.storage_id"), nullable=False),
    Column("original_filename", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("size", BigInteger, CheckConstraint("size >= 0", "size"), nullable=False),
    Column("checksum", Text, nullable=False),
    Column("uploaded_by", Text, nullable=False),
    Column("uploaded_at", Moment, nullable=False),
    Column("description", Text),
    Column("tags", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),
    Column("metadata", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column(
        "status",
        Text,
        CheckConstraint("status IN ('active', 'expired', 'damaged', 'deleted')", "status"),
        nullable=False,
    ),
    Column(
        "retention_policy",
        Text,
        CheckConstraint("retention_policy IN ('temporary', 'permanent')", "retention_policy"),
        nullable=False,
    ),
    Column("ttl_days", Integer),
    Column("expires_at", Moment),
    Column("revision", Integer, nullable=False),
    Column("registered_at", Moment, nullable=False, server_default=text("now()")),
    Column("updated_at", Moment, nullable=False, server_default=text("now()")),
    Index("files_storage_element_id_idx", "storage_element_id", "file_id"),
    Index("files_uploaded_at_idx", "uploaded_at", "file_id"),
)

syncs = Table(
    "syncs",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("storage_id", Text, ForeignKey("storage_elements.storage_id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, CheckConstraint("kind IN ('full', 'changes')", "kind"), nullable=False),
    Column(
        "reason",
        Text,
        CheckConstraint("reason IN ('schedule', 'manual', 'registered', 'restored', 'rebuild')", "reason"),
        nullable=False,
    ),
    Column(
        "status",
        Text,
        CheckConstraint("status IN ('running', 'succeeded', 'failed', 'interrupted')", "status"),
        nullable=False,
    ),
    Column("requested_by", Text, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("ended_at", Moment),
    *(
        Column(name, BigInteger, nullable=False, server_default="0")
        for name in ("files_read", "files_added", "files_updated", "files_deleted", "files_refused", "conflicts")
    ),
    Column("refused_examples", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    Column("conflict_examples", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    Column("requests", BigInteger, nullable=False, server_default="0"),
    Column("error", Text),
    Index("syncs_storage_id_idx", "storage_id", "started_at"),
)

# What a walk did not meet, by sync; only a walk that was read to the end makes deletions of them.
sync_absent = Table(
    "sync_absent",
    metadata,
    Column("sync_id", Uuid, ForeignKey("syncs.id", ondelete="CASCADE"), primary_key=True),
    Column("file_id", Uuid, primary_key=True),
)

# Append-only for the application's own role (requirement I10).
audit_log = Table(
    "audit_log",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("entry_id", Uuid, nullable=False, unique=True, server_default=text("gen_random_uuid()")),
    Column("happened_at", Moment, nullable=False),
    Column("service", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("outcome", Text, CheckConstraint("outcome IN ('done', 'denied')", "outcome"), nullable=False),
    Column("target", Text),
    Column("address", Text),
    Column("request_id", Text),
    Column("details", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Index("audit_log_happened_at_idx", "happened_at", "id"),
    Index("audit_log_actor_idx", "actor", "happened_at", "id"),
    Index("audit_log_action_idx", "action", "happened_at", "id"),
    Index("audit_log_target_idx", "target", "happened_at", "id"),
    Index("audit_log_request_id_idx", "request_id", postgresql_where=text("request_id IS NOT NULL")),
)

# Written by triggers on `files` alone: totals, and what was not folded into them yet.
account_usage_totals = Table(
    "account_usage_totals",
    metadata,
    Column("principal", Text, primary_key=True),
    Column("files", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)

account_usage_changes = Table(
    "account_usage_changes",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("principal", Text, nullable=False, index=True),
    Column("files", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)

# A view over the two, and so no part of what migrations are compared with.
account_usage = Table(
    "account_usage",
    MetaData(),
    Column("principal", Text, primary_key=True),
    Column("files", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)

quota_reservations = Table(
    "quota_reservations",
    metadata,
    Column("file_id", Uuid, primary_key=True),
    Column("principal", Text, nullable=False),
    Column("bytes", BigInteger, CheckConstraint("bytes >= 0", "bytes"), nullable=False),
    Column("expires_at", Moment, nullable=False, index=True),
    Index("quota_reservations_principal_idx", "principal", "expires_at"),
)

# Without a fingerprint: in flight, for as long as its holder renews the lease.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("principal", Text, primary_key=True),
    Column("key_hash", LargeBinary, primary_key=True),
    Column("file_id", Uuid, nullable=False),
    Column("holder", Uuid, nullable=False),
    Column("again", Boolean, nullable=False, server_default=false()),
    Column("lease_until", Moment, nullable=False),
    Column("fingerprint", LargeBinary),
    Column("answer", JSONB(none_as_null=True)),
    Column("expires_at", Moment, nullable=False, index=True),
)

# Written by triggers on `files` and `storage_elements` alone; read in the order (transaction_id, id).
outbox = Table(
    "outbox",
    metadata,
    Column(
        "transaction_id",
        BigInteger,
        primary_key=True,
        autoincrement=False,
        server_default=text("((pg_current_xact_id())::text)::bigint"),
    ),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("happened_at", Moment, nullable=False, server_default=func.now()),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
)

# One row: the newest position of the outbox that was thrown away for its age.
outbox_trimmed = Table(
    "outbox_trimmed",
    metadata,
    Column("one", Boolean, CheckConstraint("one", "one"), primary_key=True, server_default=true()),
    Column("transaction_id", BigInteger, nullable=False),
    Column("id", BigInteger, nullable=False),
)
