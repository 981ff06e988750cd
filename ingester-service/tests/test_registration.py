"""Registration in the background, with an admin that fails in ways nobody thought of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

from artstore_core.files import File, FileStatus
from artstore_core.ids import new_id
from artstore_core.modes import Mode
from artstore_core.retention import RetentionPolicy
from ingester_service.upload.ports import Element, RegistrationFailed
from ingester_service.upload.registration import Patience, Registration
from ingester_support import until

QUICK = Patience(now=(), first_pause=0.01, longest_pause=0.02)


class Admin:
    """Raises what is in `trouble`, one at a time, then registers."""

    def __init__(self, *trouble: Exception) -> None:
        self.trouble = list(trouble)
        self.registered: list[File] = []

    async def writable(self, mode: Mode) -> Sequence[Element]:
        raise AssertionError(f"nobody asks for {mode} here")

    async def register(self, file: File, storage_id: str) -> None:
        assert storage_id == "se-rw-1"
        if self.trouble:
            raise self.trouble.pop(0)
        self.registered.append(file)


def a_file() -> File:
    return File(
        file_id=new_id(),
        original_filename="a.pdf",
        content_type="application/pdf",
        size=1,
        checksum="0" * 64,
        uploaded_by="sa:sa_test_0001",
        uploaded_at=datetime(2026, 11, 21, tzinfo=UTC),
        status=FileStatus.ACTIVE,
        retention_policy=RetentionPolicy.PERMANENT,
        revision=1,
    )


@asynccontextmanager
async def running(registration: Registration) -> AsyncIterator[None]:
    background = asyncio.create_task(registration.run())
    try:
        yield
    finally:
        background.cancel()
        with suppress(asyncio.CancelledError):
            await background


async def test_an_unforeseen_error_is_one_more_failed_try() -> None:
    admin = Admin(RuntimeError("at once"), RuntimeError("in the background"))
    registration = Registration(admin, QUICK)
    files = [a_file(), a_file()]
    assert not await registration.register(files[0], "se-rw-1")
    async with running(registration):
        await until(lambda: admin.registered == files[:1])
        assert await registration.register(files[1], "se-rw-1")
    assert registration.waiting == 0


async def test_the_loop_outlives_what_goes_wrong_around_a_try() -> None:
    trouble: list[Exception] = []

    def clock() -> float:
        if trouble:
            raise trouble.pop()
        return 0.0

    admin = Admin(RegistrationFailed("later"), RegistrationFailed("later"))
    registration = Registration(admin, QUICK, clock)
    for file in (a_file(), a_file()):
        assert not await registration.register(file, "se-rw-1")
    trouble.append(OSError("no clock"))
    async with running(registration):
        await until(lambda: len(admin.registered) == 2)
    assert not trouble
