"""The buffer: nobody waits for it, it has an end, and what is in it is sent once admin is there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from artstore_audit import AdminIntake, Denials, Entry, NotNow, Outcome, Reporter, Undeliverable, reporting
from artstore_audit.reporter import Bounds
from prometheus_client import CollectorRegistry

QUICK = Bounds(waiting=20, batch=5, pauses=(0.01, 0.02), stop=0.2)


def entry(number: int = 0) -> Entry:
    return Entry("sa:sa_test_0001", "file.uploaded", Outcome.DONE, target=str(number))


@dataclass
class Admin:
    trouble: list[Exception] = field(default_factory=list)
    kept: list[Entry] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, entries: Sequence[Entry]) -> None:
        if self.trouble:
            raise self.trouble[0] if len(self.trouble) == 1 else self.trouble.pop(0)
        self.batches.append(len(entries))
        self.kept += entries
        self.came.set()

    async def until(self, number: int) -> None:
        async with asyncio.timeout(5):
            while len(self.kept) < number:
                self.came.clear()
                await self.came.wait()


@dataclass
class Made:
    admin: Admin
    registry: CollectorRegistry
    reporter: Reporter
    denials: Denials

    def dropped(self, reason: str) -> float:
        return self.registry.get_sample_value("artstore_audit_entries_dropped_total", {"reason": reason}) or 0


@pytest.fixture
def made() -> Made:
    admin, registry = Admin(), CollectorRegistry()
    reporter = Reporter(admin, registry=registry, bounds=QUICK)
    return Made(admin, registry, reporter, Denials(reporter.report))


async def test_entries_come_in_order_and_in_batches(made: Made) -> None:
    for number in range(12):
        made.reporter.report(entry(number))
    async with reporting(made.reporter, made.denials):
        await made.admin.until(12)
    assert [one.target for one in made.admin.kept] == [str(number) for number in range(12)]
    assert made.admin.batches == [5, 5, 2]


async def test_while_admin_is_away_entries_wait_and_what_is_too_much_is_dropped(made: Made) -> None:
    made.admin.trouble = [NotNow("away")]
    async with reporting(made.reporter, made.denials):
        for number in range(25):
            made.reporter.report(entry(number))
        await asyncio.sleep(0.05)
        assert made.registry.get_sample_value("artstore_audit_entries_waiting") == 20
        assert made.dropped("full") == 5
        made.admin.trouble = []
        await made.admin.until(20)
    assert [one.target for one in made.admin.kept] == [str(number) for number in range(20)]


async def test_a_refused_batch_does_not_hold_up_those_behind_it(made: Made) -> None:
    made.admin.trouble = [Undeliverable("no"), RuntimeError("unforeseen"), NotNow("away")]
    for number in range(7):
        made.reporter.report(entry(number))
    async with reporting(made.reporter, made.denials):
        await asyncio.sleep(0.1)
        made.admin.trouble = []
        await made.admin.until(2)
    assert [one.target for one in made.admin.kept] == ["5", "6"]
    assert made.dropped("refused") == 5


async def test_what_is_left_is_sent_at_the_stop(made: Made) -> None:
    async with reporting(made.reporter, made.denials):
        for number in range(12):
            made.reporter.report(entry(number))
    assert len(made.admin.kept) == 12


async def test_the_stop_does_not_wait_for_an_admin_that_hangs() -> None:
    async def hang(_entries: Sequence[Entry]) -> None:
        await asyncio.Event().wait()

    registry = CollectorRegistry()
    reporter = Reporter(hang, registry=registry, bounds=QUICK)
    async with asyncio.timeout(2):
        async with reporting(reporter, Denials(reporter.report)):
            reporter.report(entry())
            await asyncio.sleep(0)
    assert registry.get_sample_value("artstore_audit_entries_dropped_total", {"reason": "stopped"}) == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [(200, None), (204, None), (400, Undeliverable), (413, Undeliverable), (401, NotNow), (503, NotNow)],
)
async def test_what_admin_answers_decides(status: int, error: type[Exception] | None) -> None:
    sent: list[dict[str, Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(json.loads(request.content))
        return httpx.Response(status)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://admin") as http:
        if error is None:
            await AdminIntake(http)([entry()])
        else:
            with pytest.raises(error):
                await AdminIntake(http)([entry()])
    assert [shown["action"] for shown in sent[0]["entries"]] == ["file.uploaded"]


async def test_an_admin_that_cannot_be_reached_is_asked_later() -> None:
    async with httpx.AsyncClient(base_url="http://127.0.0.1:1") as http:
        with pytest.raises(NotNow):
            await AdminIntake(http)([entry()])


def test_an_entry_can_always_be_kept() -> None:
    nasty = Entry(
        "user:\x00\ud800x",
        "a.b",
        Outcome.DENIED,
        target="GET /" + "я" * 1000,
        details={f"k{number}": float("nan") for number in range(50)} | {"z": "\n"},
    )
    assert "\x00" not in nasty.actor
    nasty.actor.encode()
    assert nasty.target is not None
    assert len(nasty.target) == 500
    assert len(nasty.details) == 10
    json.dumps(dict(nasty.details), allow_nan=False)
