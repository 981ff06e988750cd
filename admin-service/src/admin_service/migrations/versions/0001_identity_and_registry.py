"""Accounts, keys, storage elements, the registry of files, and the roles that use them."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE service_accounts (
    id uuid CONSTRAINT service_accounts_pkey PRIMARY KEY,
    client_id text NOT NULL CONSTRAINT service_accounts_client_id_key UNIQUE,
    name text NOT NULL,
    kind text NOT NULL CONSTRAINT service_accounts_kind_check CHECK (kind IN ('client', 'service')),
    scopes text[] NOT NULL,
    status text NOT NULL CONSTRAINT service_accounts_status_check CHECK (status IN ('active', 'suspended')),
    secret_hash text NOT NULL,
    secret_expires_at timestamptz,
    previous_secret_hash text,
    previous_secret_expires_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE admin_users (
    id uuid CONSTRAINT admin_users_pkey PRIMARY KEY,
    username text NOT NULL CONSTRAINT admin_users_username_key UNIQUE,
    role text NOT NULL CONSTRAINT admin_users_role_check CHECK (role IN ('admin', 'readonly')),
    password_hash text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE jwt_keys (
    kid text CONSTRAINT jwt_keys_pkey PRIMARY KEY,
    public_jwk jsonb NOT NULL,
    private_encrypted bytea NOT NULL,
    active_from timestamptz NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE storage_elements (
    storage_id text CONSTRAINT storage_elements_pkey PRIMARY KEY,
    url text NOT NULL CONSTRAINT storage_elements_url_key UNIQUE,
    status text NOT NULL CONSTRAINT storage_elements_status_check CHECK (status IN ('online', 'offline')),
    mode text CONSTRAINT storage_elements_mode_check CHECK (mode IN ('edit', 'rw', 'ro', 'ar')),
    version text,
    capacity_bytes bigint,
    used_bytes bigint,
    available_bytes bigint,
    last_error text,
    last_seen_at timestamptz,
    checked_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE files (
    file_id uuid CONSTRAINT files_pkey PRIMARY KEY,
    storage_element_id text NOT NULL
        CONSTRAINT files_storage_element_id_fkey REFERENCES storage_elements (storage_id),
    original_filename text NOT NULL,
    content_type text NOT NULL,
    size bigint NOT NULL CONSTRAINT files_size_check CHECK (size >= 0),
    checksum text NOT NULL,
    uploaded_by text NOT NULL,
    uploaded_at timestamptz NOT NULL,
    description text,
    tags text[] NOT NULL DEFAULT '{}'::text[],
    metadata jsonb NOT NULL DEFAULT '{}'::jsonb,
    status text NOT NULL
        CONSTRAINT files_status_check CHECK (status IN ('active', 'expired', 'damaged', 'deleted')),
    retention_policy text NOT NULL
        CONSTRAINT files_retention_policy_check CHECK (retention_policy IN ('temporary', 'permanent')),
    ttl_days integer,
    expires_at timestamptz,
    revision integer NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX files_storage_element_id_idx ON files (storage_element_id, file_id);
CREATE INDEX files_uploaded_at_idx ON files (uploaded_at, file_id);
"""

# Roles belong to the whole server: another database's migration may have made them, or be making them right now.
_ROLE = """
DO $$ BEGIN
    CREATE ROLE {role} NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END $$;
"""

_RIGHTS = """
GRANT USAGE ON SCHEMA public TO artstore_admin, artstore_query, artstore_render;
GRANT SELECT, INSERT, UPDATE, DELETE
    ON service_accounts, admin_users, jwt_keys, storage_elements, files TO artstore_admin;
GRANT SELECT ON storage_elements, files TO artstore_query;
"""


def upgrade() -> None:
    for role in ("artstore_admin", "artstore_query", "artstore_render"):
        op.execute(_ROLE.format(role=role))
    for statement in (_TABLES + _RIGHTS).split(";"):
        if statement.strip():
            op.execute(statement)
