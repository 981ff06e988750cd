"""Asking elements how they are: one bad element, or one bad moment, ends it for nobody (R6)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from admin_service.clients.element import ElementClient
from admin_service.identity.clock import system_clock
from admin_service.registry.elements import (
    ElementUnreachable,
    HealthPoller,
    StorageElement,
    new_element,
)
from artstore_core.elements import ElementInfo, ElementStatus
from artstore_core.errors import AdminUnavailable
from artstore_core.modes import Mode
from artstore_testing.servers import running_app
from starlette.types import Receive, Scope, Send

INFO = {
    "storage_id": "se-1",
    "mode": "rw",
    "version": "1",
    "capacity_bytes": 1,
    "used_bytes": 0,
    "available_bytes": 1,
    "allowed_operations": [],
}


class Rows:
    """Elements in memory; saving those in `broken` fails as a driver's error would."""

    def __init__(self, *ids: str) -> None:
        now = system_clock()
        self.elements = {one: new_element(one, f"https://{one}", now) for one in ids}
        self.broken: set[str] = set()
        self.away = 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Rows]:
        if self.away:
            self.away -= 1
            raise AdminUnavailable("away")
        yield self

    async def every(self) -> list[StorageElement]:
        return list(self.elements.values())

    async def seen(self, element: StorageElement) -> None:
        if element.storage_id in self.broken:
            raise LookupError(element.storage_id)
        self.elements[element.storage_id] = element

    async def put(self, element: StorageElement) -> None:
        self.elements[element.storage_id] = element

    async def get(self, storage_id: str) -> StorageElement | None:
        return self.elements.get(storage_id)

    async def page(
        self, *, mode: Mode | None, status: ElementStatus | None, limit: int, offset: int
    ) -> tuple[list[StorageElement], int]:
        found = [one for one in self.elements.values() if status in (None, one.status) and mode in (None, one.mode)]
        return found[offset : offset + limit], len(found)

    def online(self) -> set[str]:
        return {one for one, element in self.elements.items() if element.status is ElementStatus.ONLINE}


async def well(url: str) -> ElementInfo:
    if url.endswith("down"):
        raise ElementUnreachable("refused")
    return ElementInfo.model_validate({**INFO, "storage_id": url.removeprefix("https://")})


async def test_each_element_is_as_it_says() -> None:
    rows = Rows("se-1", "se-down")
    await HealthPoller(rows.transaction, well, system_clock).poll()
    assert rows.online() == {"se-1"}
    assert rows.elements["se-down"].last_error == "refused"


async def test_element_that_cannot_be_saved_keeps_no_other_from_it() -> None:
    rows = Rows("se-1", "se-2", "se-3")
    rows.broken = {"se-2"}
    await HealthPoller(rows.transaction, well, system_clock).poll()
    assert rows.online() == {"se-1", "se-3"}


async def test_polling_outlives_the_database_and_whatever_else() -> None:
    rows = Rows("se-1")
    rows.away = 2
    asked = asyncio.Event()
    failures = 1

    async def stumbles(url: str) -> ElementInfo:
        nonlocal failures
        if failures:
            failures -= 1
            raise RuntimeError("nobody thought of this")
        asked.set()
        return await well(url)

    polling = asyncio.create_task(HealthPoller(rows.transaction, stumbles, system_clock).run(0.001))
    await asyncio.wait_for(asked.wait(), 10)
    polling.cancel()


async def _dripping(scope: Scope, _receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b" ", "more_body": True})
        await asyncio.sleep(0.2)


async def test_answer_that_drips_is_given_up() -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        with running_app(_dripping) as url, pytest.raises(ElementUnreachable):
            await asyncio.wait_for(ElementClient(http).info(url), 5)


@pytest.mark.parametrize("change", [{"version": "\x00"}, {"capacity_bytes": 2**63}, {"storage_id": "UP"}])
def test_what_an_element_says_is_bounded(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        ElementInfo.model_validate({**INFO, **change})
