"""Asking elements how they are: one bad element, or one bad moment, ends it for nobody (R6)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from admin_service.identity.clock import system_clock
from admin_service.registry.calls import ElementUnreachable
from admin_service.registry.element_gauges import watch_elements
from admin_service.registry.elements import StorageElement, new_element
from admin_service.registry.health import LOOKS_AT_ONCE, HealthPoller
from artstore_core.elements import ElementInfo, ElementStatus
from artstore_core.errors import AdminUnavailable
from artstore_core.modes import Mode
from prometheus_client import CollectorRegistry, generate_latest

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

    async def get(self, storage_id: str, *, lock: bool = False) -> StorageElement | None:  # noqa: ARG002
        return self.elements.get(storage_id)

    async def add(self, element: StorageElement) -> bool:
        return self.elements.setdefault(element.storage_id, element) is element

    async def save(self, element: StorageElement) -> bool:
        self.elements[element.storage_id] = element
        return True

    async def is_registered(self, storage_id: str, url: str) -> bool:
        return any(storage_id == one.storage_id or url == one.url for one in self.elements.values())

    async def has_live_files(self, storage_id: str) -> bool:  # noqa: ARG002
        return False

    async def remove_files(self, storage_id: str, *, live: bool, limit: int) -> int:  # noqa: ARG002
        return 0

    async def delete(self, storage_id: str) -> None:
        del self.elements[storage_id]

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


async def test_slow_element_keeps_no_other_from_being_looked_at() -> None:
    """Nor from the next round: it is asked once, until that has ended."""
    rows = Rows("se-1", "se-slow")
    asked: list[str] = []
    again, release = asyncio.Event(), asyncio.Event()

    async def slow(url: str) -> ElementInfo:
        asked.append(url)
        if url.endswith("slow"):
            await release.wait()
        elif asked.count(url) > 2:
            again.set()
        return await well(url)

    poller = HealthPoller(rows.transaction, slow, system_clock, jitter=lambda: 0.5)
    polling = asyncio.create_task(poller.run(0.01))
    await asyncio.wait_for(again.wait(), 10)
    assert rows.online() == {"se-1"}
    assert asked.count("https://se-slow") == 1
    release.set()
    polling.cancel()
    await asyncio.gather(polling, return_exceptions=True)


async def test_what_another_replica_asked_just_now_is_not_asked_again() -> None:
    rows = Rows("se-1", "se-2")
    asked: list[str] = []

    async def counted(url: str) -> ElementInfo:
        asked.append(url)
        return await well(url)

    first, second = (HealthPoller(rows.transaction, counted, system_clock) for _ in range(2))
    await first.poll(fresh_seconds=60)
    await second.poll(fresh_seconds=60)
    assert asked == ["https://se-1", "https://se-2"]
    await second.poll()
    assert len(asked) == 4


async def test_looks_are_bounded() -> None:
    rows = Rows(*(f"se-{number}" for number in range(3 * LOOKS_AT_ONCE)))
    running = most = 0

    async def counted(url: str) -> ElementInfo:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return await well(url)

    await HealthPoller(rows.transaction, counted, system_clock).poll()
    assert most == LOOKS_AT_ONCE
    assert len(rows.online()) == 3 * LOOKS_AT_ONCE


async def test_another_element_at_a_known_url_is_offline_and_not_named() -> None:
    rows = Rows("se-1")

    async def other(_url: str) -> ElementInfo:
        return await well("https://se-2")

    await HealthPoller(rows.transaction, other, system_clock).poll()
    assert rows.elements["se-1"].last_error == "another element answers there"


async def test_figures_are_of_the_elements_there_are() -> None:
    rows, figures = Rows("se-1", "se-down"), CollectorRegistry()
    poller = HealthPoller(rows.transaction, well, system_clock)
    watch_elements(lambda: poller.known, figures)
    assert b"artstore_admin_element_online{" not in generate_latest(figures)
    for _ in range(2):
        await poller.poll()
    assert figures.get_sample_value("artstore_admin_element_online", {"storage_id": "se-1"}) == 1
    assert figures.get_sample_value("artstore_admin_element_capacity_bytes", {"storage_id": "se-1"}) == 1
    assert figures.get_sample_value("artstore_admin_element_online", {"storage_id": "se-down"}) == 0
    assert figures.get_sample_value("artstore_admin_element_writable", {"storage_id": "se-1"}) == 1
    assert figures.get_sample_value("artstore_admin_element_writable", {"storage_id": "se-down"}) is None
    del rows.elements["se-down"]
    await poller.poll()
    assert figures.get_sample_value("artstore_admin_element_online", {"storage_id": "se-down"}) is None


@pytest.mark.parametrize("change", [{"version": "\x00"}, {"capacity_bytes": 2**63}, {"storage_id": "UP"}])
def test_what_an_element_says_is_bounded(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        ElementInfo.model_validate({**INFO, **change})
