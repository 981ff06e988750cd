"""Which storage elements there are: discover, register, edit, delete (requirement R1)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Final, Protocol

from artstore_core.elements import ElementInfo
from artstore_core.errors import Conflict, ValidationFailed

from admin_service.audit.log import Actor, AuditRows, Journal
from admin_service.identity.clock import Clock
from admin_service.registry.calls import AskInfo, ElementNotAllowed
from admin_service.registry.elements import (
    ElementRows,
    StorageElement,
    get_element,
    new_element,
)
from admin_service.registry.syncs import SyncReason

REMOVED_AT_ONCE: Final = 5000
"""Files that one transaction takes out of the registry: short enough to be in nobody's way."""


class Work(Protocol):
    """What these use cases keep, within one transaction."""

    @property
    def audit(self) -> AuditRows: ...
    @property
    def elements(self) -> ElementRows: ...


Transactions = Callable[[], AbstractAsyncContextManager[Work]]


class SyncRequests(Protocol):
    """Where syncs of one element are asked for; they run by themselves."""

    async def ask(self, storage_id: str, reason: SyncReason, by: Actor) -> None:
        """Returns at once. Raises nothing: what is lost here is noticed by the schedule, for `synced_at` is None."""
        ...


@dataclass(frozen=True, slots=True)
class Preview:
    """What answers at a URL. `registered`: an element with this id, or at this url, is known already."""

    url: str
    info: ElementInfo
    registered: bool


@dataclass(frozen=True, slots=True)
class ElementChange:
    """None leaves the url; the description is replaced when `describes`."""

    url: str | None = None
    description: str | None = None
    describes: bool = False


class Elements:
    """URLs come in the form of registry.addresses.element_url. Raise ElementUnreachable where an element is asked, and
    ValidationFailed for a URL that leads to an address that may not be called."""

    def __init__(
        self, transactions: Transactions, ask: AskInfo, syncs: SyncRequests, journal: Journal, clock: Clock
    ) -> None:
        self._transactions, self._ask, self._syncs = transactions, ask, syncs
        self._journal, self._clock = journal, clock

    async def discover(self, url: str) -> Preview:
        info = await self._asked(url)
        async with self._transactions() as rows:
            return Preview(url, info, await rows.elements.is_registered(info.storage_id, url))

    async def register(self, url: str, description: str | None, by: Actor) -> StorageElement:
        """Its id comes from the element itself. Raises Conflict."""
        now = self._clock()
        info = await self._asked(url)
        element = replace(new_element(info.storage_id, url, now), description=description).heard(info, now)
        async with self._transactions() as rows:
            if not await rows.elements.add(element):
                raise Conflict("This storage element, or one at this url, is registered already")
            await self._journal.done(rows.audit, by, "storage_element.registered", element.storage_id, url=url)
        await self._syncs.ask(element.storage_id, SyncReason.REGISTERED, by)
        return element

    async def change(self, storage_id: str, change: ElementChange, by: Actor) -> StorageElement:
        """A new url must lead to the very same element. Raises NotFound, Conflict."""
        asked_at = self._clock()
        async with self._transactions() as rows:
            await get_element(rows.elements, storage_id)
        info = await self._asked(change.url) if change.url is not None else None
        if info is not None and info.storage_id != storage_id:
            raise Conflict("Another storage element answers there")
        async with self._transactions() as rows:
            element = await get_element(rows.elements, storage_id, lock=True)
            changed = replace(
                element,
                url=change.url or element.url,
                description=change.description if change.describes else element.description,
                updated_at=self._clock(),
            )
            if not await rows.elements.save(changed):
                raise Conflict("Another storage element is registered at this url")
            if info is not None:
                changed = changed.heard(info, asked_at)
                await rows.elements.seen(changed)
            fields = [name for name in ("url", "description") if getattr(element, name) != getattr(changed, name)]
            await self._journal.done(
                rows.audit, by, "storage_element.changed", storage_id, fields=fields, url=changed.url
            )
        return changed

    async def delete(self, storage_id: str, by: Actor, *, force: bool) -> None:
        """Forgets the element; what it holds stays on it. Raises NotFound, and Conflict while it has files that are not
        deleted, unless `force`: then its files leave the registry. What was removed before an interruption stays so, and
        asking again goes on.
        """
        async with self._transactions() as rows:
            await get_element(rows.elements, storage_id)
            if force:
                await self._journal.done(rows.audit, by, "storage_element.deletion_began", storage_id, force=True)
            else:
                await self._refuse_live_files(rows, storage_id)
        removed, gone = 0, False
        while not gone:
            async with self._transactions() as rows:
                some = await rows.elements.remove_files(storage_id, live=force, limit=REMOVED_AT_ONCE)
            removed += some
            if some < REMOVED_AT_ONCE:
                removed, gone = await self._forget(storage_id, by, force=force, removed=removed)

    async def _forget(self, storage_id: str, by: Actor, *, force: bool, removed: int) -> tuple[int, bool]:
        """How many files left the registry by now, and whether the element did: not while more came meanwhile."""
        async with self._transactions() as rows:
            # From here to the commit nobody can register a file on it: that needs a share of this lock.
            await get_element(rows.elements, storage_id, lock=True)
            if not force:
                await self._refuse_live_files(rows, storage_id)
            some = await rows.elements.remove_files(storage_id, live=force, limit=REMOVED_AT_ONCE)
            if some == REMOVED_AT_ONCE:
                return removed + some, False
            await rows.elements.delete(storage_id)
            await self._journal.done(
                rows.audit, by, "storage_element.deleted", storage_id, force=force, files_removed=removed + some
            )
            return removed + some, True

    async def _refuse_live_files(self, rows: Work, storage_id: str) -> None:
        if await rows.elements.has_live_files(storage_id):
            raise Conflict("Files are registered on this storage element; delete them first, or force it")

    async def _asked(self, url: str) -> ElementInfo:
        try:
            return await self._ask(url)
        except ElementNotAllowed as error:
            raise ValidationFailed("The url may not be called", details={"url": error.message}) from error
