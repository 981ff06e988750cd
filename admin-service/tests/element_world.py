"""An admin that knows the tests' certificate authority, and elements that know its keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from admin_elements import Authority, Element, running_element
from admin_service.config import Settings
from admin_service.db.engine import Database as Store
from admin_service.main import build
from admin_support import ISSUER, Admin
from artstore_core.modes import Mode
from artstore_postgres.engine import make_engine
from asgi_lifespan import LifespanManager

ELEMENTS = "/api/v1/storage-elements"
FILES = "/api/v1/registry/files"
INTERNAL = "urn:artstore:internal"


@dataclass
class World:
    """Admin beside elements. Everything is asked as the operator unless told otherwise."""

    admin: Admin
    authority: Authority
    directory: Path
    jwks: dict[str, Any]
    _running: ExitStack

    def element(self, storage_id: str = "se-new-1", mode: Mode = Mode.EDIT) -> Element:
        """One that runs until the test ends."""
        made = running_element(
            self.directory, self.authority, self.jwks, issuer=ISSUER, storage_id=storage_id, mode=mode
        )
        return self._running.enter_context(made)

    async def move_away(self, element: Element, port: int) -> None:
        """Nobody answers any more where the registry has it."""
        async with self.admin.store.transaction() as rows:
            await rows.elements._connection.exec_driver_sql(
                "UPDATE storage_elements SET url = $1 WHERE storage_id = $2",
                (f"https://127.0.0.1:{port}", element.storage_id),
            )

    async def ask(self, method: str, path: str, *, account: str = "operator", **options: Any) -> httpx.Response:
        headers = {**await self.admin.bearer(account), **options.pop("headers", {})}
        return await self.admin.http.request(method, path, headers=headers, **options)

    async def registered(self, storage_id: str = "se-new-1", mode: Mode = Mode.EDIT) -> Element:
        element = self.element(storage_id, mode)
        answer = await self.ask("POST", ELEMENTS, json={"url": element.url})
        assert answer.status_code == 201, answer.text
        return element

    async def register_file(self, element: Element, file: dict[str, Any]) -> None:
        headers = await self.admin.bearer("ingester", resource=INTERNAL)
        body = {**file, "storage_element_id": element.storage_id}
        answer = await self.admin.http.post(FILES, json=body, headers=headers)
        assert answer.status_code in (200, 201), answer.text

    async def file_on(self, element: Element, **about: Any) -> dict[str, Any]:
        """A file that lies there and is registered."""
        file = element.put(**about)
        await self.register_file(element, file)
        return file

    async def row(self, storage_id: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.ask("GET", f"{ELEMENTS}/{storage_id}")).json()
        return found

    async def audit(self) -> list[tuple[str, str | None, str]]:
        """What was done to elements and files since the first start, in order: action, target, who."""
        async with self.admin.store.transaction() as rows:
            connection = rows.elements._connection
            found = await connection.exec_driver_sql("SELECT action, target, actor FROM audit_log ORDER BY id")
            return [
                (row.action, row.target, row.actor)
                for row in found
                if row.action.startswith(("storage_element.", "file.")) and row.actor != "system"
            ]


@asynccontextmanager
async def running_world(settings: Settings, directory: Path) -> AsyncIterator[World]:
    authority = Authority(directory)
    settings = settings.model_copy(update={"ca_file": authority.file, "element_networks": ("127.0.0.0/8",)})
    store = Store(make_engine(settings.database_url.get_secret_value(), application="test", pool_size=2))
    # The elements end after admin: one that stops waits for the connections that admin keeps.
    with ExitStack() as running:
        async with (
            LifespanManager(build(settings)) as manager,
            httpx.AsyncClient(transport=httpx.ASGITransport(manager.app), base_url=ISSUER) as http,
        ):
            jwks = (await http.get("/.well-known/jwks.json")).json()
            yield World(Admin(http, store), authority, directory, jwks, running)
        await store.close()


def error_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]
