"""One sync under way: what walking and following share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar
from uuid import UUID

from artstore_core.elements import ElementInfo
from artstore_core.errors import ArtStoreError

from admin_service.registry.elements import StorageElement
from admin_service.registry.listed import ChangesPage, FilesPage, TornAnswer, read_changes, read_files
from admin_service.registry.paging import Limit
from admin_service.registry.syncs import (
    ElementLists,
    PositionGone,
    SyncFailed,
    SyncKind,
    SyncReason,
    SyncRows,
    SyncSession,
    Tally,
)

T = TypeVar("T")
Page = TypeVar("Page", FilesPage, ChangesPage)
Beside = Callable[[SyncRows], Awaitable[None]]


@dataclass(slots=True)
class Run:
    """`tally` is what has been committed; `requests` counts what was asked of the element."""

    session: SyncSession
    lists: ElementLists
    element: StorageElement
    kind: SyncKind
    reason: SyncReason
    tally: Tally = field(default_factory=Tally)
    requests: int = 0
    limit: Limit = field(default_factory=Limit)

    async def info(self) -> ElementInfo:
        """Raises SyncFailed, also where it is not this element that answers."""
        self.requests += 1
        info = await _said(self.lists.info())
        if info.storage_id != self.element.storage_id:
            raise SyncFailed(f"another element answers there: {info.storage_id}")
        return info

    async def files(self, after: UUID | None) -> FilesPage:
        def ask(limit: int) -> Awaitable[bytes]:
            self.requests += 1
            return _said(self.lists.files(after, limit))

        content = await self.limit.of(ask)
        return await _read(lambda: read_files(content, after))

    async def changes(self, after: int, epoch: UUID) -> ChangesPage:
        """Raises PositionGone."""

        def ask(limit: int) -> Awaitable[bytes]:
            self.requests += 1
            return _said(self.lists.changes(after, epoch, limit))

        content = await self.limit.of(ask)
        page = await _read(lambda: read_changes(content, after))
        if page.epoch != epoch:
            raise PositionGone
        return page

    async def write(self, page: FilesPage | ChangesPage, before: Beside, after: Beside) -> None:
        """The page, what is to be done with it, and how far the sync is now: in one transaction."""

        async def work(rows: SyncRows) -> Tally:
            await before(rows)
            # Last of what takes long: from here on registrations of the same accounts wait, for their usage is counted.
            written = await rows.put(page.files)
            await after(rows)
            tally = self.tally.plus(len(page.ids), page.refused, written)
            return await self._note(rows, tally)

        self.tally = await self.session.retried(work)

    async def mark(self, limit: int) -> int:
        """How many absent ones were taken; they are deleted now, save those that are not absent after all."""

        async def work(rows: SyncRows) -> tuple[int, Tally]:
            taken, marked = await rows.mark_absent(limit)
            tally = replace(self.tally, files_deleted=self.tally.files_deleted + marked)
            return taken, await self._note(rows, tally)

        taken, self.tally = await self.session.retried(work)
        return taken

    async def _note(self, rows: SyncRows, tally: Tally) -> Tally:
        tally = replace(tally, requests=self.requests)
        await rows.progress(self.kind, self.reason, tally)
        return tally


async def nothing(_rows: SyncRows) -> None:
    """No more than the page itself."""


async def _said(answer: Awaitable[T]) -> T:
    """Whatever the element refuses us with, this sync is over."""
    try:
        return await answer
    except ArtStoreError as error:
        raise SyncFailed(error.message) from error


async def _read(parse: Callable[[], Page]) -> Page:
    """In a thread: a page of a thousand files keeps the loop, and every request with it, for 30 ms."""
    try:
        return await asyncio.to_thread(parse)
    except TornAnswer as error:
        raise SyncFailed(str(error)) from None
