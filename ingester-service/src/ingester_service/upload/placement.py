"""Choosing the element that a file goes to (requirement G3)."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from artstore_core.errors import AdminUnavailable, NoStorageAvailable, StorageFull
from artstore_core.modes import Mode
from artstore_kit.logs import get_logger

from ingester_service.upload.ports import Admin, Element, Full, Refused

_log = get_logger(__name__)
_Result = TypeVar("_Result")

MAX_ATTEMPTS = 8
"""Elements asked for one file: beyond that the client is better served by an answer."""


@dataclass(slots=True)
class _Known:
    elements: Sequence[Element]
    until: float


@dataclass(slots=True)
class ElementList:
    """Admin's list, kept a few seconds so that a burst of uploads asks once.

    A list that has aged out is not used: with admin away the answer is ADMIN_UNAVAILABLE before any byte is sent, and
    not an upload to an element that may have changed its mode meanwhile.
    """

    admin: Admin
    keep_seconds: float
    clock: Callable[[], float] = time.monotonic
    _known: dict[Mode, _Known] = field(default_factory=dict)
    _failed_at: dict[Mode, float] = field(default_factory=dict)
    _locks: dict[Mode, asyncio.Lock] = field(default_factory=dict)

    async def get(self, mode: Mode) -> Sequence[Element]:
        """Raises AdminUnavailable."""
        called_at = self.clock()
        async with self._locks.setdefault(mode, asyncio.Lock()):
            known = self._known.get(mode)
            if known is not None and self.clock() < known.until:
                return known.elements
            if self._failed_at.get(mode, called_at) > called_at:
                # Whoever waited for this question has its answer: an admin that hangs would be asked by one after the other.
                raise AdminUnavailable("The list of storage elements cannot be had now")
            try:
                elements = await self.admin.writable(mode)
            except AdminUnavailable:
                self._failed_at[mode] = self.clock()
                raise
            if elements:
                # An empty list is not kept: the first element to come online is used at once.
                self._known[mode] = _Known(elements, self.clock() + self.keep_seconds)
            return elements


class Placement:
    """Tries elements until one takes the file. `choice` gives the randomness."""

    def __init__(self, elements: ElementList, choice: random.Random) -> None:
        self._elements, self._choice = elements, choice

    async def place(
        self,
        mode: Mode,
        size: int | None,
        offer: Callable[[Element], Awaitable[_Result]],
        order: Callable[[Sequence[Element], int], list[Element]] | None = None,
    ) -> tuple[Element, _Result]:
        """The element that accepted the offer, and what it answered. `order` instead of the one by chance.

        Raises AdminUnavailable, NoStorageAvailable, StorageFull, and what the offer raises beyond Refused.
        """
        refusals: list[Refused] = []
        for element in (order or self.order)(await self._elements.get(mode), size or 0)[:MAX_ATTEMPTS]:
            try:
                return element, await offer(element)
            except Refused as refusal:
                _log.warning("element refused a file", storage_id=element.storage_id, reason=str(refusal))
                refusals.append(refusal)
        if refusals and all(isinstance(refusal, Full) for refusal in refusals):
            raise StorageFull("No storage element has room for this file")
        raise NoStorageAvailable("No suitable storage element is online")

    def order(self, elements: Sequence[Element], size: int) -> list[Element]:
        """By chance, weighted with free room; those that seemed too full come last, for admin's figures are old."""
        roomy = [element for element in elements if (element.available_bytes or 0) > size]
        tight = [element for element in elements if (element.available_bytes or 0) <= size]
        # Efraimidis and Spirakis: keys u^(1/w), largest first, are a weighted random permutation. Their logarithms are
        # in the same order, and do not all round to 1 where w is the bytes of a large disk; 1 - u, for u may be 0.
        roomy.sort(key=lambda one: math.log(1 - self._choice.random()) / (one.available_bytes or 1), reverse=True)
        tight.sort(key=lambda one: one.available_bytes or 0, reverse=True)
        return roomy + tight
