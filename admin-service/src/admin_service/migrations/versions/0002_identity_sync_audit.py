"""Sessions and lockout, the life of keys, syncs, audit, quotas, and the outbox.

Expands only: what 0001's code reads and writes goes on working beside it.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_IDENTITY = """
ALTER TABLE service_accounts
    ADD COLUMN tokens_not_before timestamptz,
    ADD COLUMN quota_bytes bigint CONSTRAINT service_accounts_quota_bytes_check CHECK (quota_bytes >= 0),
    ADD COLUMN quota_files bigint CONSTRAINT service_accounts_quota_files_check CHECK (quota_files >= 0);

ALTER TABLE admin_users
    ADD COLUMN status text NOT NULL DEFAULT 'active'
        CONSTRAINT admin_users_status_check CHECK (status IN ('active', 'suspended')),
    ADD COLUMN must_change_password boolean NOT NULL DEFAULT false,
    ADD COLUMN tokens_not_before timestamptz,
    ADD COLUMN last_login_at timestamptz,
    ADD COLUMN quota_bytes bigint CONSTRAINT admin_users_quota_bytes_check CHECK (quota_bytes >= 0),
    ADD COLUMN quota_files bigint CONSTRAINT admin_users_quota_files_check CHECK (quota_files >= 0);

CREATE TABLE sessions (
    id uuid CONSTRAINT sessions_pkey PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT sessions_user_id_fkey REFERENCES admin_users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoked_because text
);
CREATE INDEX sessions_user_id_idx ON sessions (user_id);
CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);

CREATE TABLE refresh_tokens (
    token_hash bytea CONSTRAINT refresh_tokens_pkey PRIMARY KEY,
    session_id uuid NOT NULL CONSTRAINT refresh_tokens_session_id_fkey REFERENCES sessions (id) ON DELETE CASCADE,
    access_token_id text NOT NULL,
    issued_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX refresh_tokens_session_id_idx ON refresh_tokens (session_id);
CREATE INDEX refresh_tokens_access_token_id_idx ON refresh_tokens (access_token_id);

CREATE TABLE revoked_tokens (
    jti text CONSTRAINT revoked_tokens_pkey PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
CREATE INDEX revoked_tokens_expires_at_idx ON revoked_tokens (expires_at);

CREATE TABLE sign_in_failures (
    name_hash bytea CONSTRAINT sign_in_failures_pkey PRIMARY KEY,
    attempts integer NOT NULL,
    last_attempt_at timestamptz NOT NULL,
    locked_until timestamptz
);
CREATE INDEX sign_in_failures_last_attempt_at_idx ON sign_in_failures (last_attempt_at);

ALTER TABLE jwt_keys ADD COLUMN withdrawn_at timestamptz, ALTER COLUMN private_encrypted DROP NOT NULL;
"""

_SYNC = """
ALTER TABLE storage_elements
    ADD COLUMN description text,
    ADD COLUMN epoch uuid,
    ADD COLUMN sequence bigint,
    ADD COLUMN synced_epoch uuid,
    ADD COLUMN synced_sequence bigint,
    ADD COLUMN synced_at timestamptz;

CREATE TABLE syncs (
    id uuid CONSTRAINT syncs_pkey PRIMARY KEY,
    storage_id text NOT NULL
        CONSTRAINT syncs_storage_id_fkey REFERENCES storage_elements (storage_id) ON DELETE CASCADE,
    kind text NOT NULL CONSTRAINT syncs_kind_check CHECK (kind IN ('full', 'changes')),
    reason text NOT NULL
        CONSTRAINT syncs_reason_check CHECK (reason IN ('schedule', 'manual', 'registered', 'restored', 'rebuild')),
    status text NOT NULL
        CONSTRAINT syncs_status_check CHECK (status IN ('running', 'succeeded', 'failed', 'interrupted')),
    requested_by text NOT NULL,
    started_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    ended_at timestamptz,
    files_read bigint NOT NULL DEFAULT 0,
    files_added bigint NOT NULL DEFAULT 0,
    files_updated bigint NOT NULL DEFAULT 0,
    files_deleted bigint NOT NULL DEFAULT 0,
    files_refused bigint NOT NULL DEFAULT 0,
    refused_examples jsonb NOT NULL DEFAULT '[]'::jsonb,
    conflicts bigint NOT NULL DEFAULT 0,
    conflict_examples jsonb NOT NULL DEFAULT '[]'::jsonb,
    requests bigint NOT NULL DEFAULT 0,
    error text
);
CREATE INDEX syncs_storage_id_idx ON syncs (storage_id, started_at);

CREATE TABLE sync_absent (
    sync_id uuid NOT NULL CONSTRAINT sync_absent_sync_id_fkey REFERENCES syncs (id) ON DELETE CASCADE,
    file_id uuid NOT NULL,
    CONSTRAINT sync_absent_pkey PRIMARY KEY (sync_id, file_id)
);
"""

_AUDIT = """
CREATE TABLE audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT audit_log_pkey PRIMARY KEY,
    entry_id uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT audit_log_entry_id_key UNIQUE,
    happened_at timestamptz NOT NULL,
    service text NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    outcome text NOT NULL CONSTRAINT audit_log_outcome_check CHECK (outcome IN ('done', 'denied')),
    target text,
    address text,
    request_id text,
    details jsonb NOT NULL DEFAULT '{}'::jsonb
);
CREATE INDEX audit_log_happened_at_idx ON audit_log (happened_at, id);
CREATE INDEX audit_log_actor_idx ON audit_log (actor, happened_at, id);
CREATE INDEX audit_log_action_idx ON audit_log (action, happened_at, id);
CREATE INDEX audit_log_target_idx ON audit_log (target, happened_at, id);
CREATE INDEX audit_log_request_id_idx ON audit_log (request_id) WHERE request_id IS NOT NULL;
"""

# Usage is a sum of changes, which are folded into totals now and then. A row an account, counted up in place, would make
# every registration of an account wait for the one before, and bulk writers of the same accounts deadlock: one upsert
# fires two triggers, and no order of rows holds across the two.
_QUOTAS = """
CREATE TABLE account_usage_totals (
    principal text CONSTRAINT account_usage_totals_pkey PRIMARY KEY,
    files bigint NOT NULL,
    bytes bigint NOT NULL
);

CREATE TABLE account_usage_changes (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT account_usage_changes_pkey PRIMARY KEY,
    principal text NOT NULL,
    files bigint NOT NULL,
    bytes bigint NOT NULL
);
CREATE INDEX account_usage_changes_principal_idx ON account_usage_changes (principal);

CREATE VIEW account_usage AS
    SELECT principal, sum(files)::bigint AS files, sum(bytes)::bigint AS bytes FROM (
        SELECT principal, files, bytes FROM account_usage_totals
        UNION ALL
        SELECT principal, files, bytes FROM account_usage_changes
    ) AS counted GROUP BY principal;

CREATE TABLE quota_reservations (
    file_id uuid CONSTRAINT quota_reservations_pkey PRIMARY KEY,
    principal text NOT NULL,
    bytes bigint NOT NULL CONSTRAINT quota_reservations_bytes_check CHECK (bytes >= 0),
    expires_at timestamptz NOT NULL
);
CREATE INDEX quota_reservations_principal_idx ON quota_reservations (principal, expires_at);
CREATE INDEX quota_reservations_expires_at_idx ON quota_reservations (expires_at);
"""

# `transaction_id` is pg_current_xact_id(): readers take rows whose transaction is older than every running one.
# `outbox_trimmed` has one row: the newest position that was thrown away for its age, so that a reader further back knows.
_OUTBOX = """
CREATE TABLE outbox (
    transaction_id bigint NOT NULL DEFAULT (pg_current_xact_id())::text::bigint,
    id bigint GENERATED ALWAYS AS IDENTITY,
    happened_at timestamptz NOT NULL DEFAULT now(),
    kind text NOT NULL,
    subject text NOT NULL,
    CONSTRAINT outbox_pkey PRIMARY KEY (transaction_id, id)
);

CREATE TABLE outbox_trimmed (
    one boolean NOT NULL DEFAULT true CONSTRAINT outbox_trimmed_pkey PRIMARY KEY
        CONSTRAINT outbox_trimmed_one_check CHECK (one),
    transaction_id bigint NOT NULL,
    id bigint NOT NULL
);

INSERT INTO outbox_trimmed (transaction_id, id) VALUES (0, 0);
"""

# Triggers, so that no writer, not even one that is to come, can change the registry and leave no event. They run once
# a statement: a sync that writes thousands of rows pays once. They only add rows: writers of the same accounts neither
# wait for each other nor deadlock. They run as the owner: the writers' own roles may neither forge events nor change what
# is counted.
_DEFINER = "LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp"
_SAME = (
    "(a.revision, a.status, a.storage_element_id, a.original_filename, a.description, a.tags, a.metadata, a.checksum)"
)
_TRIGGERS = [
    f"""
CREATE FUNCTION artstore_files_changed() RETURNS trigger {_DEFINER} AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO outbox (kind, subject)
            SELECT CASE status WHEN 'deleted' THEN 'file.deleted' ELSE 'file.registered' END, file_id::text FROM after;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO outbox (kind, subject)
            SELECT CASE a.status WHEN 'deleted' THEN 'file.deleted' ELSE 'file.changed' END, a.file_id::text
            FROM after a JOIN before b USING (file_id)
            WHERE {_SAME} IS DISTINCT FROM {_SAME.replace("a.", "b.")};
    ELSE
        INSERT INTO outbox (kind, subject) SELECT 'file.deleted', file_id::text FROM before WHERE status <> 'deleted';
    END IF;
    IF FOUND THEN
        PERFORM pg_notify('artstore_outbox', '');
    END IF;
    RETURN NULL;
END $$""",
    f"""
CREATE FUNCTION artstore_files_counted() RETURNS trigger {_DEFINER} AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO account_usage_changes (principal, files, bytes)
            SELECT uploaded_by, count(*), sum(size) FROM after WHERE status IN ('active', 'damaged') GROUP BY 1;
        DELETE FROM quota_reservations USING after WHERE quota_reservations.file_id = after.file_id;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO account_usage_changes (principal, files, bytes)
            SELECT principal, sum(one), sum(size) FROM (
                SELECT uploaded_by AS principal, 1 AS one, size FROM after WHERE status IN ('active', 'damaged')
                UNION ALL
                SELECT uploaded_by, -1, -size FROM before WHERE status IN ('active', 'damaged')
            ) AS moved GROUP BY 1 HAVING sum(one) <> 0 OR sum(size) <> 0;
    ELSE
        INSERT INTO account_usage_changes (principal, files, bytes)
            SELECT uploaded_by, -count(*), -sum(size) FROM before WHERE status IN ('active', 'damaged') GROUP BY 1;
    END IF;
    RETURN NULL;
END $$""",
    # One folder at a time; what it cannot lock, or does not see yet, is folded by a later one.
    f"""
CREATE FUNCTION artstore_fold_usage(at_most integer) RETURNS integer {_DEFINER} AS $$
DECLARE
    folded integer;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('artstore_fold_usage', 0)) THEN
        RETURN 0;
    END IF;
    WITH taken AS (
        DELETE FROM account_usage_changes
            WHERE id IN (SELECT id FROM account_usage_changes ORDER BY id LIMIT at_most)
            RETURNING principal, files, bytes
    ), added AS (
        INSERT INTO account_usage_totals AS held (principal, files, bytes)
            SELECT principal, sum(files), sum(bytes) FROM taken GROUP BY 1
            ON CONFLICT (principal) DO UPDATE
            SET files = held.files + excluded.files, bytes = held.bytes + excluded.bytes
    )
    SELECT count(*) INTO folded FROM taken;
    RETURN folded;
END $$""",
    f"""
CREATE FUNCTION artstore_element_changed() RETURNS trigger {_DEFINER} AS $$
BEGIN
    INSERT INTO outbox (kind, subject) VALUES (
        CASE TG_OP WHEN 'INSERT' THEN 'element.registered' WHEN 'UPDATE' THEN 'element.changed' ELSE 'element.deleted' END,
        CASE TG_OP WHEN 'DELETE' THEN OLD.storage_id ELSE NEW.storage_id END);
    PERFORM pg_notify('artstore_outbox', '');
    RETURN NULL;
END $$""",
    f"""
CREATE FUNCTION artstore_mark_deleted(given_file uuid, given_element text) RETURNS boolean {_DEFINER} AS $$
BEGIN
    UPDATE files SET status = 'deleted', updated_at = now()
        WHERE file_id = given_file AND storage_element_id = given_element AND status <> 'deleted';
    RETURN FOUND;
END $$""",
    *(
        f"""
CREATE TRIGGER files_{event.lower()}_{name} AFTER {event} ON files {tables}
    FOR EACH STATEMENT EXECUTE FUNCTION artstore_files_{name}()"""
        for event, tables in (
            ("INSERT", "REFERENCING NEW TABLE AS after"),
            ("UPDATE", "REFERENCING OLD TABLE AS before NEW TABLE AS after"),
            ("DELETE", "REFERENCING OLD TABLE AS before"),
        )
        for name in ("changed", "counted")
    ),
    """
CREATE TRIGGER storage_elements_added_or_removed AFTER INSERT OR DELETE ON storage_elements
    FOR EACH ROW EXECUTE FUNCTION artstore_element_changed()""",
    """
CREATE TRIGGER storage_elements_changed AFTER UPDATE ON storage_elements FOR EACH ROW
    WHEN ((OLD.url, OLD.status, OLD.mode, OLD.description) IS DISTINCT FROM
          (NEW.url, NEW.status, NEW.mode, NEW.description))
    EXECUTE FUNCTION artstore_element_changed()""",
]

# What is there already counts; the lock keeps a registration from slipping in between the count and the trigger.
_COUNT_WHAT_IS_THERE = """
LOCK TABLE files IN SHARE ROW EXCLUSIVE MODE;

INSERT INTO account_usage_totals (principal, files, bytes)
    SELECT uploaded_by, count(*), sum(size) FROM files WHERE status IN ('active', 'damaged') GROUP BY 1;
"""

_RIGHTS = """
GRANT SELECT, INSERT, UPDATE, DELETE
    ON sessions, refresh_tokens, revoked_tokens, sign_in_failures, syncs, sync_absent, quota_reservations
    TO artstore_admin;

GRANT SELECT, INSERT ON audit_log TO artstore_admin;

GRANT SELECT ON account_usage TO artstore_admin;

GRANT SELECT, DELETE ON outbox TO artstore_admin;

GRANT SELECT, UPDATE ON outbox_trimmed TO artstore_admin;

GRANT SELECT ON outbox, outbox_trimmed TO artstore_query, artstore_render;

GRANT SELECT ON storage_elements, files TO artstore_render;

REVOKE ALL ON FUNCTION
    artstore_files_changed(), artstore_files_counted(), artstore_element_changed(), artstore_mark_deleted(uuid, text),
    artstore_fold_usage(integer)
    FROM PUBLIC;

GRANT EXECUTE ON FUNCTION artstore_fold_usage(integer) TO artstore_admin;

GRANT EXECUTE ON FUNCTION artstore_mark_deleted(uuid, text) TO artstore_query;
"""


def upgrade() -> None:
    script = (_IDENTITY, _SYNC, _AUDIT, _QUOTAS, _OUTBOX, _COUNT_WHAT_IS_THERE)
    for statement in "".join(script).split(";"):
        if statement.strip():
            op.execute(statement)
    for statement in _TRIGGERS:
        op.execute(statement)
    for statement in _RIGHTS.split(";"):
        if statement.strip():
            op.execute(statement)
