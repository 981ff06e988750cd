"""What each role of the database may do: this table, and nothing that is not in it (architecture.md, Who owns what).

Everything is tried on the real thing: a table, view, column of a sequence or function that a migration adds is refused here
until somebody has said who may use it.
"""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest
from artstore_testing.postgres import Database
from schema_support import connected

ROLES = ("artstore_admin", "artstore_query", "artstore_render")
CHANGE = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
READ = frozenset({"SELECT"})
NONE: frozenset[str] = frozenset()
VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN")

# Table: admin, query, render.
TABLES: dict[str, tuple[frozenset[str], frozenset[str], frozenset[str]]] = {
    "account_usage": (READ, NONE, NONE),
    "account_usage_changes": (NONE, NONE, NONE),
    "account_usage_totals": (NONE, NONE, NONE),
    "admin_users": (CHANGE, NONE, NONE),
    "alembic_version_admin": (NONE, NONE, NONE),
    "audit_log": (frozenset({"SELECT", "INSERT"}), NONE, NONE),
    "files": (CHANGE, READ, READ),
    "idempotency_keys": (CHANGE, NONE, NONE),
    "jwt_keys": (CHANGE, NONE, NONE),
    "outbox": (frozenset({"SELECT", "DELETE"}), READ, READ),
    "outbox_trimmed": (frozenset({"SELECT", "UPDATE"}), READ, READ),
    "quota_reservations": (CHANGE, NONE, NONE),
    "refresh_tokens": (CHANGE, NONE, NONE),
    "revoked_tokens": (CHANGE, NONE, NONE),
    "service_accounts": (CHANGE, NONE, NONE),
    "sessions": (CHANGE, NONE, NONE),
    "sign_in_failures": (CHANGE, NONE, NONE),
    "storage_elements": (CHANGE, READ, READ),
    "sync_absent": (CHANGE, NONE, NONE),
    "syncs": (CHANGE, NONE, NONE),
}
FUNCTIONS: dict[str, frozenset[str]] = {
    "artstore_element_changed()": NONE,
    "artstore_files_changed()": NONE,
    "artstore_files_counted()": NONE,
    "artstore_fold_usage(integer)": frozenset({"artstore_admin"}),
    "artstore_mark_deleted(uuid,text)": frozenset({"artstore_query"}),
}
_OWN = "n.nspname = 'public' AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = {oid} AND d.deptype = 'e')"
_RELATIONS = f"""
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND {_OWN.format(oid="c.oid")}
"""
_FUNCTIONS = f"""
SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE {_OWN.format(oid="p.oid")}
"""
_COLUMN_RIGHTS = """
SELECT grantee, table_name, privilege_type FROM information_schema.column_privileges AS own
WHERE grantee = ANY($1) AND NOT EXISTS (
    SELECT FROM information_schema.role_table_grants AS whole
    WHERE (whole.grantee, whole.table_name, whole.privilege_type) = (own.grantee, own.table_name, own.privilege_type))
"""


async def listed(database: Database, query: str) -> set[str]:
    async with connected(database) as owner:
        return {row[0] for row in await owner.fetch(query)}


async def test_every_table_and_every_function_has_its_row(migrated: Database) -> None:
    assert await listed(migrated, _RELATIONS) == set(TABLES)
    assert await listed(migrated, _FUNCTIONS) == set(FUNCTIONS)


@pytest.mark.parametrize("role", ROLES)
async def test_the_rights_are_those_of_the_table(migrated: Database, role: str) -> None:
    async with connected(migrated) as owner:
        verbs = VERBS if owner.get_server_version().major >= 17 else VERBS[:-1]
        found = {
            table: frozenset(
                [v for v in verbs if await owner.fetchval("SELECT has_table_privilege($1, $2, $3)", role, table, v)]
            )
            for table in TABLES
        }
        assert found == {table: rights[ROLES.index(role)] for table, rights in TABLES.items()}
        called = {
            function: await owner.fetchval("SELECT has_function_privilege($1, $2, 'EXECUTE')", role, function)
            for function in FUNCTIONS
        }
        assert called == {function: role in who for function, who in FUNCTIONS.items()}
        assert await owner.fetch(_COLUMN_RIGHTS, [role]) == []
        sequences = await owner.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND CASE WHEN relkind = 'S' THEN has_sequence_privilege($1, oid, 'UPDATE') ELSE false END",
            role,
        )
        assert sequences == []


@pytest.mark.parametrize("role", ROLES)
async def test_what_is_not_granted_is_refused(migrated: Database, role: str) -> None:
    """The same by trying it: rights may come by ways that no catalogue lists."""
    async with connected(migrated, role) as connection, connected(migrated) as owner:
        for table, rights in TABLES.items():
            column = await owner.fetchval(
                "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND attidentity = '' ORDER BY attnum LIMIT 1",
                f"public.{table}",
            )
            for verb, statement in _attempts(table, column).items():
                if verb not in rights[ROLES.index(role)]:
                    await refused(connection, statement)


def _attempts(table: str, column: str) -> dict[str, str]:
    return {
        "SELECT": f"SELECT * FROM {table}",
        "INSERT": f"INSERT INTO {table} ({column}) OVERRIDING SYSTEM VALUE SELECT NULL WHERE false",
        "UPDATE": f"UPDATE {table} SET {column} = NULL WHERE false",
        "DELETE": f"DELETE FROM {table} WHERE false",
        "TRUNCATE": f"TRUNCATE {table}",
        "TRIGGER": f"CREATE TRIGGER mine BEFORE INSERT ON {table} FOR EACH STATEMENT"
        " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "owner": f"ALTER TABLE {table} ADD COLUMN mine int",
        "drop": f"DROP TABLE {table}" if table != "account_usage" else f"DROP VIEW {table}",
        "triggers off": f"ALTER TABLE {table} DISABLE TRIGGER ALL",
    }


# The last two are what a view answers to what no view can do.
_REFUSALS = (
    asyncpg.InsufficientPrivilegeError,
    asyncpg.WrongObjectTypeError,
    asyncpg.ObjectNotInPrerequisiteStateError,
)


async def refused(connection: asyncpg.Connection[Any], statement: str) -> None:
    transaction = connection.transaction()
    await transaction.start()
    try:
        with pytest.raises(_REFUSALS):
            await connection.execute(statement)
            pytest.fail(f"was let through: {statement}")
    finally:
        await transaction.rollback()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "statement",
    [
        "SET session_replication_role = replica",  # would switch all triggers off
        "CREATE TABLE mine (id int)",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA mine",
        "DROP EXTENSION pg_trgm",
        "CREATE ROLE mine",
        "SET ROLE artstore_owner",
        "SET SESSION AUTHORIZATION artstore_owner",
        "ALTER ROLE artstore_owner PASSWORD 'x'",
        "COPY files TO PROGRAM 'cat'",
        "SELECT pg_read_file('postgresql.conf')",
        "ALTER FUNCTION artstore_files_counted() RENAME TO mine",
        "DROP TRIGGER files_insert_changed ON files",
        "GRANT SELECT ON files TO PUBLIC",
    ],
)
async def test_no_role_can_help_itself_to_more(migrated: Database, role: str, statement: str) -> None:
    async with connected(migrated, role) as connection:
        if statement.startswith("GRANT"):
            await granted_nothing(connection, statement)
        else:
            await refused(connection, statement)


async def granted_nothing(connection: asyncpg.Connection[Any], statement: str) -> None:
    """PostgreSQL warns where a role has rights but no leave to hand them on, and grants none."""
    try:
        await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return
    granted = await connection.fetchval(
        "SELECT count(*) FROM information_schema.role_table_grants WHERE grantee = 'PUBLIC' AND table_schema = 'public'"
    )
    assert granted == 0


async def test_the_definers_functions_cannot_be_led_astray(migrated: Database) -> None:
    """A function that runs as the owner finds its tables where they are, and not where its caller would like."""
    async with connected(migrated, "artstore_query") as connection:
        await connection.execute("CREATE TEMP TABLE files (file_id uuid, storage_element_id text, status text)")
        await connection.execute("INSERT INTO pg_temp.files VALUES (gen_random_uuid(), 'x', 'active')")
        await connection.execute("SET search_path = pg_temp, public")
        mark = "SELECT public.artstore_mark_deleted(file_id, 'x') FROM pg_temp.files"
        assert await connection.fetchval(mark) is False
    async with connected(migrated) as owner:
        unsafe = await owner.fetch(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
            " AND NOT ('search_path=pg_catalog, public, pg_temp' = ANY(proconfig))"
        )
        assert unsafe == []
