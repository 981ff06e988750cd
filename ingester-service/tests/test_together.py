"""Registrations that wait at the same time go in one request, and each has its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar
from datetime import UTC, datetime

import pytest
from artstore_core.files import File, FileStatus
from artstore_core.ids import new_id
from artstore_core.retention import RetentionPolicy
from ingester_service.upload.ports import RegistrationFailed, RegistrationRefused
from ingester_service.upload.together import MOST, Together
from ingester_support import until

ELEMENT = "se-rw-1"
asking: ContextVar[str] = ContextVar("asking", default="nobody")


class Admin:
    """Answers when it is let, and then by what is planned for a file: an outcome, or an error for a request with it."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.requests: list[list[File]] = []
        self.asked_by: list[str] = []
        self.planned: dict[str, str | Exception] = {}
        self.trouble: list[Exception] = []

    async def register(self, file: File, storage_id: str) -> None:
        [outcome] = await self._answer([(file, storage_id)])
        if outcome not in ("added", "updated"):
            raise RegistrationRefused(outcome)

    async def register_together(self, files: Sequence[tuple[File, str]]) -> Sequence[str]:
        assert len(files) > 1
        return await self._answer(files)

    async def _answer(self, files: Sequence[tuple[File, str]]) -> list[str]:
        assert {element for _, element in files} == {ELEMENT}
        self.requests.append([file for file, _ in files])
        self.asked_by.append(asking.get())
        await self.open.wait()
        if self.trouble and len(files) > 1:
            raise self.trouble.pop(0)
        outcomes = [self.planned.get(file.original_filename, "added") for file, _ in files]
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        return [str(outcome) for outcome in outcomes]


def a_file(name: str = "a.pdf", description: str | None = None) -> File:
    return File(
        file_id=new_id(),
        original_filename=name,
        content_type="application/pdf",
        size=1,
        checksum="0" * 64,
        uploaded_by="sa:sa_test_0001",
        uploaded_at=datetime(2026, 11, 21, tzinfo=UTC),
        description=description,
        status=FileStatus.ACTIVE,
        retention_policy=RetentionPolicy.PERMANENT,
        revision=1,
    )


def named(count: int) -> list[File]:
    return [a_file(f"{number}.pdf") for number in range(count)]


async def begun(together: Together, admin: Admin, files: Sequence[File]) -> list[asyncio.Task[None]]:
    """All of them wait, the first one for an answer."""
    tasks = [asyncio.create_task(together.register(file, ELEMENT)) for file in files]
    await until(lambda: len(admin.requests) == 1)
    return tasks


async def test_one_goes_alone_and_those_that_come_meanwhile_go_together() -> None:
    admin, files = Admin(), named(5)
    tasks = await begun(Together(admin), admin, files)
    admin.open.set()
    await asyncio.gather(*tasks)
    assert admin.requests == [files[:1], files[1:]]


async def test_one_after_the_other_never_wait() -> None:
    admin, files = Admin(), named(3)
    admin.open.set()
    together = Together(admin)
    for file in files:
        await together.register(file, ELEMENT)
    assert admin.requests == [[file] for file in files]


async def test_each_has_its_own_answer() -> None:
    admin, files = Admin(), named(5)
    admin.planned = {"1.pdf": "conflict", "2.pdf": "updated", "3.pdf": "refused"}
    tasks = await begun(Together(admin), admin, files)
    admin.open.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [
        type(None), RegistrationRefused, type(None), RegistrationRefused, type(None)
    ]  # fmt: skip


@pytest.mark.parametrize("trouble", [RegistrationFailed("admin answered 503"), RuntimeError("unforeseen")])
async def test_a_failed_request_fails_those_in_it_and_nobody_after(trouble: Exception) -> None:
    admin, files = Admin(), named(4)
    together = Together(admin)
    tasks = await begun(together, admin, files)
    admin.trouble.append(trouble)
    admin.open.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [type(None), *[RegistrationFailed] * 3]
    assert len({id(answer) for answer in answers}) == 4
    await asyncio.gather(*(together.register(file, ELEMENT) for file in files))


async def test_a_request_that_is_refused_as_a_whole_is_made_for_each() -> None:
    admin, files = Admin(), named(4)
    admin.planned = {"2.pdf": "conflict"}
    admin.trouble.append(RegistrationRefused("admin answered 404"))
    tasks = await begun(Together(admin), admin, files)
    admin.open.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(answer, RegistrationRefused) for answer in answers] == [False, False, True, False]
    assert admin.requests == [files[:1], files[1:], *([file] for file in files[1:])]


async def test_no_request_is_larger_than_admin_takes() -> None:
    admin, files = Admin(), [*named(1 + MOST), *(a_file(description="я" * 50_000) for _ in range(4))]
    tasks = await begun(Together(admin), admin, files)
    admin.open.set()
    await asyncio.gather(*tasks)
    assert [len(request) for request in admin.requests] == [1, MOST, 1, 1, 1, 1]


async def test_who_goes_away_is_registered_and_keeps_nobody_up() -> None:
    admin, files = Admin(), named(3)
    tasks = await begun(Together(admin), admin, files)
    for task in tasks[:2]:
        task.cancel()
    admin.open.set()
    await tasks[2]
    assert admin.requests == [files[:1], files[1:]]
    assert [task.cancelled() for task in tasks] == [True, True, False]


async def test_ids_of_a_request_are_those_of_the_first_in_it() -> None:
    admin = Admin()
    together = Together(admin)

    async def ask(name: str) -> None:
        asking.set(name)
        await together.register(a_file(), ELEMENT)

    tasks = [asyncio.create_task(ask(name)) for name in ("first", "second", "third")]
    await until(lambda: len(admin.requests) == 1)
    admin.open.set()
    await asyncio.gather(*tasks)
    assert admin.asked_by == ["first", "second"]
