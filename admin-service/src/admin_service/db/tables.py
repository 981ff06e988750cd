"""The tables as SQLAlchemy sees them. The migrations make them; a test holds the two equal."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
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
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

jwt_keys = Table(
    "jwt_keys",
    metadata,
    Column("kid", Text, primary_key=True),
    Column("public_jwk", JSONB, nullable=False),
    Column("private_encrypted", LargeBinary, nullable=False),
    Column("active_from", Moment, nullable=False),
    Column("created_at", Moment, nullable=False),
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
