"""The database burns (requirement R5): from an empty one and the elements alone, the registry comes back, row by row."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from admin_service.db.migrate import MIGRATIONS
from admin_service.identity.clock import system_clock
from admin_service.registry.elements import new_element
from admin_service.registry.syncs import SyncKind, SyncReason, SyncStatus
from admin_support import GIVEN, ISSUER, KEY, run_bootstrap
from artstore_auth.keys import StaticKeys
from artstore_core.ids import new_id
from artstore_core.scopes import Scope, element_audience
from artstore_stack.tls import LocalCa
from artstore_testing.postgres import Database, PostgresServer
from artstore_testing.servers import running_app
from artstore_testing.tokens import TokenIssuer
from joserfc.jwk import RSAKey
from sync_elements import COLUMNS, RealElement, new_file
from sync_support import Registry, until

FILES = 1500
"""On each of two elements; every 25th is deleted again."""
LIVE = 2 * (FILES - len(range(0, FILES, 25)))


class Burning:
    """Two elements over TLS, which outlive every database."""

    def __init__(self, tmp_path: Path, issuer: TokenIssuer, ca: LocalCa) -> None:
        self.directory, self.issuer, self.ca = tmp_path, issuer, ca
        self._known: dict[str, RSAKey] = {str(issuer.key.kid): issuer.key}
        self.keys = StaticKeys(self._known)
        self.elements: dict[str, str] = {}

    @contextmanager
    def served(self, elements: list[RealElement]) -> Iterator[None]:
        certificate = self.ca.server("element")
        with ExitStack() as held:
            for element in elements:
                app = held.enter_context(
                    running_app(element.make(self.keys), certificate=(certificate.certificate, certificate.key))
                )
                self.elements[element.storage_id] = app
                self._warm_up(element, app)
            yield

    def _warm_up(self, element: RealElement, url: str) -> None:
        """FastAPI makes parts of a route at its first request, and two apps in two threads must not do so at once: they
        share pydantic's half-made schemas. Elements are processes of their own elsewhere."""
        bearer = self.issuer.bearer(tuple(Scope), audience=element_audience(element.storage_id))
        with httpx.Client(base_url=url, verify=ssl.create_default_context(cafile=self.ca.certificate)) as client:
            for path in ("info", "files", "changes"):
                until_answered(client, f"/api/v1/{path}", bearer)

    @property
    def given(self) -> dict[str, Any]:
        listed = [{"storage_id": storage_id, "url": url} for storage_id, url in self.elements.items()]
        return GIVEN | {"storage_elements": listed}

    async def first_start(self, database: Database) -> Registry:
        """`migrate` and `bootstrap`. The elements learn of the new signing key, as from JWKS."""
        await asyncio.to_thread(MIGRATIONS.upgrade, database.url())
        registry = Registry(database)
        await run_bootstrap(registry.store, self.given, self.directory)
        for row in await registry.run("SELECT kid, public_jwk FROM jwt_keys"):
            self._known[row["kid"]] = RSAKey.import_key(json.loads(row["public_jwk"]))
        return registry

    def start_command(self, database: Database, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "admin_service", *arguments],
            env=self.environment(database),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    async def command(self, database: Database, *arguments: str) -> tuple[int, str]:
        process = self.start_command(database, *arguments)
        told, _ = await asyncio.to_thread(process.communicate)
        return process.returncode, told

    def environment(self, database: Database) -> dict[str, str]:
        return {
            **os.environ,
            "AM_DATABASE_URL": database.url("artstore_admin"),
            "AM_ISSUER": ISSUER,
            "AM_KEY_ENCRYPTION_KEY": base64.b64encode(KEY).decode(),
            "AM_CA_FILE": str(self.ca.certificate),
            "AM_ELEMENT_NETWORKS": "127.0.0.0/8",
        }


def until_answered(client: httpx.Client, path: str, headers: dict[str, str]) -> None:
    """Its disk is being recovered at first."""
    deadline = time.monotonic() + 30
    while (answer := client.get(path, headers=headers)).status_code == httpx.codes.SERVICE_UNAVAILABLE:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert answer.status_code == httpx.codes.OK, answer.text


@pytest.fixture(scope="module")
async def burning(
    tmp_path_factory: pytest.TempPathFactory,
    issuer: TokenIssuer,
    local_ca: LocalCa,
    ca_file: Path,
    first_start: Database,  # noqa: ARG001 - after it the roles may log in, to other databases as well
) -> AsyncIterator[Burning]:
    directory = tmp_path_factory.mktemp("burning")
    stage = Burning(directory, issuer, local_ca)
    elements = []
    for name in ("se-rw-1", "se-edit-1"):
        element = await RealElement(directory / name, issuer, ca_file, name).start()
        await fill(element, name)
        await element.stop()
        elements.append(element)
    with stage.served(elements):
        yield stage


async def fill(element: RealElement, seed: str) -> None:
    rng = random.Random(seed)
    ids = [new_id() for _ in range(FILES)]

    async def put(some: list[UUID]) -> None:
        for file_id in some:
            await element.put(file_id, new_file(rng.randrange(1000), rng), rng.randbytes(rng.randrange(50)))

    await asyncio.gather(*(put(ids[start::16]) for start in range(16)))
    for file_id in ids[::10]:
        await element.patch(file_id, {"description": "changed", "tags": ["changed"]})
    for file_id in ids[::25]:
        await element.delete(file_id)
    await element.purge()


async def export(registry: Registry) -> list[tuple[Any, ...]]:
    """Every row that is not deleted, every column that attr.json holds, and where it is."""
    columns = ", ".join([*COLUMNS, "storage_element_id"])
    rows = await registry.run(f"SELECT {columns} FROM files WHERE status <> 'deleted' ORDER BY file_id")
    return [tuple(row) for row in rows]


async def all_there(registry: Registry) -> bool:
    return len(await export(registry)) == LIVE


async def begun(registry: Registry) -> bool:
    """A sync that runs, and was not known by the last look."""
    recent = "status = 'running' AND started_at > now() - interval '30 seconds'"
    return bool(await registry.run(f"SELECT FROM syncs WHERE {recent}"))


async def known(registry: Registry) -> list[tuple[Any, ...]]:
    """Accounts and elements, as the bootstrap file has them."""
    accounts = await registry.run("SELECT client_id, name, kind, scopes, status FROM service_accounts ORDER BY 1")
    elements = await registry.run("SELECT storage_id, url FROM storage_elements ORDER BY 1")
    return [tuple(row) for row in [*accounts, *elements]]


async def test_registry_that_burnt_comes_back_row_by_row(
    burning: Burning, postgres: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with postgres.database() as database:
        registry = await burning.first_start(database)
        code, told = await burning.command(database, "rebuild-registry")
        assert code == 0, told
        before, who = await export(registry), await known(registry)
        usage = await registry.run("SELECT uploaded_by, count(*), sum(size) FROM files GROUP BY 1 ORDER BY 1")
        await registry.close()
    assert len(before) == LIVE
    with postgres.database() as database:  # an empty one, with the same bootstrap
        registry = await burning.first_start(database)
        assert await export(registry) == []
        code, told = await burning.command(database, "rebuild-registry")
        assert code == 0, told
        assert await export(registry) == before
        assert await known(registry) == who
        assert await registry.run("SELECT uploaded_by, count(*), sum(size) FROM files GROUP BY 1 ORDER BY 1") == usage
        await registry.close()
    with capsys.disabled():
        print(f"\nburnt and rebuilt: {told.splitlines()[-1]}")  # noqa: T201


async def test_service_that_starts_on_an_empty_database_fills_it_by_itself(
    burning: Burning, postgres: PostgresServer
) -> None:
    with postgres.database() as database:
        registry = await burning.first_start(database)
        process = burning.start_command(database, "serve")
        try:
            await until(lambda: all_there(registry))
        finally:
            process.terminate()
            await asyncio.to_thread(process.communicate)
        for storage_id in burning.elements:
            sync = (await registry.history(storage_id))[-1]
            assert (sync.reason, sync.kind) == (SyncReason.REGISTERED, SyncKind.FULL)
        await registry.close()


async def test_reset_asks_first_and_then_empties(burning: Burning, postgres: PostgresServer) -> None:
    with postgres.database() as database:
        registry = await burning.first_start(database)
        assert (await burning.command(database, "rebuild-registry"))[0] == 0
        before = await export(registry)
        code, told = await burning.command(database, "rebuild-registry", "--reset")
        assert (code, await export(registry)) == (1, before)
        assert "--yes-empty-it" in told
        await registry.run("UPDATE files SET description = 'wrong', revision = 99")
        code, told = await burning.command(
            database, "rebuild-registry", "--element", "se-rw-1", "--reset", "--yes-empty-it"
        )
        assert code == 0, told
        wrong = await registry.run("SELECT DISTINCT storage_element_id FROM files WHERE revision = 99")
        assert [row["storage_element_id"] for row in wrong] == ["se-edit-1"]
        code, _ = await burning.command(database, "rebuild-registry", "--element", "se-nowhere")
        assert code == 1
        await registry.close()


async def test_rebuild_that_is_killed_is_done_again(burning: Burning, postgres: PostgresServer) -> None:
    """SIGKILL: nothing is said to the database; its locks go with the connection."""
    with postgres.database() as database:
        registry = await burning.first_start(database)
        rng = random.Random(4)
        for _ in range(4):
            process = burning.start_command(database, "rebuild-registry")
            await until(lambda: begun(registry))
            await asyncio.sleep(rng.random() * 0.15)
            process.kill()
            await asyncio.to_thread(process.communicate)
            await registry.run("UPDATE syncs SET started_at = started_at - interval '1 minute'")
        code, told = await burning.command(database, "rebuild-registry")
        assert code == 0, told
        assert len(await export(registry)) == LIVE
        assert await registry.run("SELECT FROM syncs WHERE status = 'running'") == []
        assert await registry.run("SELECT FROM sync_absent") == []
        killed = await registry.run("SELECT FROM syncs WHERE status = 'interrupted'")
        assert killed
        await registry.close()


async def test_element_that_is_away_fails_the_rebuild_of_its_own_files_only(
    burning: Burning, postgres: PostgresServer
) -> None:
    with postgres.database() as database:
        registry = await burning.first_start(database)
        async with registry.store.transaction() as rows:
            await rows.elements.put(new_element("se-zz-away", "https://127.0.0.1:1", system_clock()))
        code, told = await burning.command(database, "rebuild-registry")
        assert code == 1
        assert "se-zz-away: failed" in told
        assert len(await export(registry)) == LIVE
        assert (await registry.history("se-zz-away"))[0].status is SyncStatus.FAILED
        await registry.close()
