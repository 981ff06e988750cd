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
    upload that is under way needs nothing else of admin.

    That admin did not answer counts as long as a list does: an admin that hangs would else be waited for by one request
    after the other.
    """

    def __init__(
        self, whereabouts: Whereabouts, keep_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._whereabouts, self._keep_seconds, self._clock = whereabouts, keep_seconds, clock
        self._known: Sequence[KnownElement] | None = None
        self._asked_at = self._failed_at = -float("inf")
        self._lock = asyncio.Lock()

    async def get(self) -> Sequence[KnownElement]:
        """Raises AdminUnavailable when there is no list at all."""
        called_at = self._clock()
        old = called_at - self._keep_seconds
        async with self._lock:
            try:
                return await self._newer_than(old, failed_after=called_at if self._known is None else old)
            except AdminUnavailable:
                if self._known is None:
                    raise
                return self._known

    async def anew(self) -> Sequence[KnownElement]:
        """A list that was asked for after this was called: however many call, one question at a time goes out. Raises
        AdminUnavailable, for what is not in an old list may be there all the same."""
        called_at = self._clock()
        async with self._lock:
            return await self._newer_than(called_at, failed_after=called_at)

    async def _newer_than(self, moment: float, *, failed_after: float) -> Sequence[KnownElement]:
        if self._known is not None and self._asked_at > moment:
            return self._known
        if self._failed_at > failed_after:
            raise AdminUnavailable("The list of storage elements cannot be had now")
        asked_at = self._clock()
        try:
            self._known = await self._whereabouts.elements()
        except AdminUnavailable:
            self._failed_at = self._clock()
            raise
        self._asked_at, self._failed_at = asked_at, -float("inf")
        return self._known
