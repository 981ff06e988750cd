"""Choosing an element, with admin and chance held still."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

import pytest
from artstore_core.errors import AdminUnavailable, NoStorageAvailable, StorageFull
from artstore_core.files import File
from artstore_core.modes import Mode
from ingester_service.upload.placement import MAX_ATTEMPTS, ElementList, Placement
from ingester_service.upload.ports import Element, Full, Refused


def element(name: str, room: int | None) -> Element:
    return Element(name, f"https://{name}", room)


class Admin:
    """Knows elements and counts how often it is asked."""

    def __init__(self, *elements: Element) -> None:
        self.elements: Sequence[Element] = elements
        self.asked = 0

    async def writable(self, mode: Mode) -> Sequence[Element]:
        assert mode is Mode.RW
        self.asked += 1
        return self.elements

    async def register(self, file: File, storage_id: str) -> None:
        raise AssertionError(f"nobody registers {file.file_id} of {storage_id} here")


class SilentAdmin(Admin):
    """Takes five seconds to say nothing."""

    now = 0.0

    async def writable(self, mode: Mode) -> Sequence[Element]:
        await super().writable(mode)
        await asyncio.sleep(0)
        self.now += 5
        raise AdminUnavailable("no")


def placement(*elements: Element) -> Placement:
    return Placement(ElementList(Admin(*elements), 0), random.Random(7))


def test_room_weighs() -> None:
    chooser = placement()
    elements = [element("big", 900), element("small", 100)]
    first = Counter(chooser.order(elements, 10)[0].storage_id for _ in range(2000))
    assert 1700 < first["big"] < 1900


def test_room_weighs_however_large_it_is() -> None:
    chooser = placement()
    elements = [element("small", 10**18), element("big", 9 * 10**18)]
    first = Counter(chooser.order(elements, 10)[0].storage_id for _ in range(2000))
    assert 1700 < first["big"] < 1900


def test_those_that_seem_too_full_come_last() -> None:
    names = [
        one.storage_id
        for one in placement().order([element("none", None), element("tight", 50), element("roomy", 60)], 50)
    ]
    assert names == ["roomy", "tight", "none"]


async def test_refusals_move_on_and_are_summed_up() -> None:
    asked: list[str] = []

    async def offer(one: Element) -> str:
        asked.append(one.storage_id)
        if one.storage_id == "good":
            return "taken"
        raise Full("full")

    chosen, answer = await placement(element("bad", 10**12), element("good", 1)).place(Mode.RW, 0, offer)
    assert (chosen.storage_id, answer, asked[-1]) == ("good", "taken", "good")

    async def full(_: Element) -> None:
        raise Full("full")

    async def mixed(one: Element) -> None:
        raise Full("full") if one.storage_id == "a" else Refused("gone")

    with pytest.raises(StorageFull):
        await placement(element("a", 1), element("b", 1)).place(Mode.RW, None, full)
    with pytest.raises(NoStorageAvailable):
        await placement(element("a", 1), element("b", 1)).place(Mode.RW, None, mixed)
    with pytest.raises(NoStorageAvailable):
        await placement().place(Mode.RW, None, full)


async def test_attempts_are_bounded() -> None:
    asked = 0

    async def offer(_: Element) -> None:
        nonlocal asked
        asked += 1
        raise Refused("gone")

    with pytest.raises(NoStorageAvailable):
        await placement(*(element(f"e{number}", 1) for number in range(100))).place(Mode.RW, None, offer)
    assert asked == MAX_ATTEMPTS


async def test_all_who_wait_for_an_admin_that_hangs_wait_once() -> None:
    silent = SilentAdmin()
    known = ElementList(silent, 3, lambda: silent.now)
    answers = await asyncio.gather(*(known.get(Mode.RW) for _ in range(20)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {AdminUnavailable}
    assert silent.asked == 1
    with pytest.raises(AdminUnavailable):
        await known.get(Mode.RW)
    assert silent.asked == 2


async def test_the_list_is_kept_for_seconds_and_never_when_empty() -> None:
    now = 0.0
    admin = Admin()
    known = ElementList(admin, 3, lambda: now)
    for _ in range(2):
        assert await known.get(Mode.RW) == ()
    assert admin.asked == 2
    admin.elements = [element("a", 1)]
    for _ in range(3):
        assert len(await known.get(Mode.RW)) == 1
    assert admin.asked == 3
    now = 3.0
    await known.get(Mode.RW)
    assert admin.asked == 4
