"""Which elements there are, whatever state they are in: an upload or a file is looked for on them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from artstore_core.errors import AdminUnavailable
from artstore_core.files import File
from artstore_core.modes import Mode

from ingester_service.upload.ports import Element


@dataclass(frozen=True, slots=True)
class KnownElement(Element):
    """`mode` is None before admin ever reached it."""

    mode: Mode | None = None


@dataclass(frozen=True, slots=True)
class Registered:
    """A file as admin's registry has it, and where it is."""

    file: File
    storage_id: str


class Whereabouts(Protocol):
    """Admin, as far as it knows where things are. Both raise AdminUnavailable."""

    async def elements(self) -> Sequence[KnownElement]:
        """All of them, those that are offline as well."""
        ...

    async def registered(self, file_id: UUID) -> Registered | None: ...


class KnownElements:
    """Admin's list, kept for a few seconds; while admin is away the last one serves, for elements seldom move and an
    upload that is under way needs nothing else of admin."""

    def __init__(
        self, whereabouts: Whereabouts, keep_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._whereabouts, self._keep_seconds, self._clock = whereabouts, keep_seconds, clock
        self._known: Sequence[KnownElement] = ()
        self._asked_at = -float("inf")
        self._lock = asyncio.Lock()

    async def get(self) -> Sequence[KnownElement]:
        """Raises AdminUnavailable when there is no list at all."""
        return await self._newer_than(self._clock() - self._keep_seconds)

    async def anew(self) -> Sequence[KnownElement]:
        """A list that was asked for after this was called: however many call, one question at a time goes out."""
        return await self._newer_than(self._clock())

    async def _newer_than(self, moment: float) -> Sequence[KnownElement]:
        async with self._lock:
            if self._asked_at <= moment:
                asked_at = self._clock()
                try:
                    self._known, self._asked_at = await self._whereabouts.elements(), asked_at
                except AdminUnavailable:
                    if not self._known:
                        raise
            return self._known
