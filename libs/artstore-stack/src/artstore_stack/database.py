"""What the database holds before the services' own migrations: roles, the database, extensions."""

from __future__ import annotations

from artstore_stack.postgres import SUPERUSER, Postgres
from artstore_stack.secret_store import SecretStore

DATABASE = "artstore"
OWNER = "artstore_owner"
RUNTIME_ROLES = ("artstore_admin", "artstore_query", "artstore_render")
_EXTENSIONS = ("pg_trgm", "unaccent", "btree_gin")


class Database:
    """ArtStore's database on a server; passwords come from the store, so they stay what they are."""

    def __init__(self, server: Postgres, secrets: SecretStore) -> None:
        self._server, self._secrets = server, secrets

    def url(self, role: str) -> str:
        return self._server.url(role, self._secrets.password(f"db-{role}"), DATABASE)

    def create(self) -> None:
        """The owner, the database, the extensions; nothing changes where they are."""
        self._as_superuser(owner_script(self._secrets))
        self._as_superuser(extensions_script(), DATABASE)

    def let_services_in(self) -> None:
        """After admin's migrations have made the run-time roles: a password and LOGIN for each."""
        self._as_superuser(roles_script(self._secrets))

    def _as_superuser(self, script: str, database: str = "postgres") -> None:
        self._server.execute(SUPERUSER, self._secrets.password(f"db-{SUPERUSER}"), database, script)


def owner_script(secrets: SecretStore, database: str = DATABASE) -> str:
    """SQL for psql: the role that owns the tables, and its database."""
    return _OWNER_SQL.format(owner=OWNER, database=database, word=secrets.password(f"db-{OWNER}"))


def extensions_script() -> str:
    """SQL for ArtStore's database: what only a superuser may install."""
    return "\n".join(f"CREATE EXTENSION IF NOT EXISTS {name};" for name in _EXTENSIONS) + "\n"


def roles_script(secrets: SecretStore) -> str:
    """SQL: a password and LOGIN for the roles that admin's migrations have made."""
    words = {role: secrets.password(f"db-{role}") for role in RUNTIME_ROLES}
    return "\n".join(f"ALTER ROLE {role} LOGIN PASSWORD '{word}';" for role, word in words.items()) + "\n"


_OWNER_SQL = """
SELECT 'CREATE ROLE {owner}' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{owner}') \\gexec
ALTER ROLE {owner} LOGIN CREATEROLE PASSWORD '{word}';
SELECT 'CREATE DATABASE {database} OWNER {owner}'
    WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{database}') \\gexec
"""
