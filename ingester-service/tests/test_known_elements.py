"""The list of elements, as admin comes and goes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest
from artstore_core.errors import AdminUnavailable
from ingester_service.resumable.whereabouts import KnownElement, KnownElements, Registered

KEPT = 3.0
ONE = KnownElement("se-1", "https://se-1", 1)


class Admin:
    """Answers at once, or takes five seconds to say nothing."""

    def __init__(self) -> None:
        self.now, self.asked, self.hangs = 0.0, 0, False

    async def elements(self) -> Sequence[KnownElement]:
        self.asked += 1
        await asyncio.sleep(0)
        if not self.hangs:
            return [ONE]
        self.now += 5
        raise AdminUnavailable("no")

    async def registered(self, file_id: UUID) -> Registered | None:
        raise AssertionError(f"nobody asks for {file_id} here")


@pytest.fixture
def admin() -> Admin:
    return Admin()


@pytest.fixture
def known(admin: Admin) -> KnownElements:
    return KnownElements(admin, KEPT, lambda: admin.now)


async def test_a_list_is_kept_for_seconds(admin: Admin, known: KnownElements) -> None:
    for moment, asked in ((0.0, 1), (2.9, 1), (3.1, 2)):
        admin.now = moment
        assert await known.get() == [ONE]
        assert admin.asked == asked
    await known.anew()
    assert admin.asked == 3


async def test_the_last_list_serves_while_admin_hangs_and_few_wait_for_it(admin: Admin, known: KnownElements) -> None:
    """An upload that is under way must not be held up by all the others that ask, too."""
    await known.get()
    admin.now, admin.hangs = 100.0, True
    assert await asyncio.gather(*(known.get() for _ in range(50))) == [[ONE]] * 50
    assert (admin.asked, admin.now) == (2, 105.0)
    admin.now += KEPT - 0.1
    assert (await known.get(), admin.asked) == ([ONE], 2)
    admin.now, admin.hangs = admin.now + 0.2, False
    assert (await known.get(), admin.asked) == ([ONE], 3)


async def test_without_any_list_those_who_wait_hear_the_same_and_the_next_one_asks(
    admin: Admin, known: KnownElements
) -> None:
    admin.hangs = True
    answers = await asyncio.gather(*(known.get() for _ in range(50)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {AdminUnavailable}
    assert admin.asked == 1
    admin.hangs = False
    assert await known.get() == [ONE]


async def test_an_old_list_is_no_new_one(admin: Admin, known: KnownElements) -> None:
    await known.get()
    admin.hangs = True
    answers = await asyncio.gather(*(known.anew() for _ in range(50)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {AdminUnavailable}
    assert admin.asked == 2
