"""What operators do with a storage element, by way of admin (requirements S3, S7, S14)."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal
from uuid import UUID

from artstore_core.files import File
from artstore_core.modes import Mode

from admin_service.audit.log import Actor, Journal
from admin_service.identity.clock import Clock
from admin_service.registry.calls import ElementFiles, ElementOperations, JobState, ModeChanged
from admin_service.registry.elements import StorageElement, get_element
from admin_service.registry.membership import Transactions

JobName = Literal["reconcile", "scrub"]


class Operations:
    """Raise NotFound for an unknown element, ElementUnreachable, and what the element itself refuses with."""

    def __init__(
        self,
        transactions: Transactions,
        operate: ElementOperations,
        files: ElementFiles,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._transactions, self._operate, self._files = transactions, operate, files
        self._journal, self._clock = journal, clock

    async def change_mode(self, storage_id: str, target: Mode, by: Actor, *, confirm: bool) -> ModeChanged:
        element = await self._element(storage_id)
        done = await self._operate.change_mode(element, target, confirm=confirm)
        async with self._transactions() as rows:
            now = await get_element(rows.elements, storage_id, lock=True)
            # Whoever asked the element before this moment may have heard the old mode: that is not kept any more.
            await rows.elements.seen(replace(now, mode=done.mode, checked_at=self._clock()))
            await self._journal.done(
                rows.audit,
                by,
                "storage_element.mode_changed",
                storage_id,
                previous_mode=done.previous_mode,
                mode=done.mode,
            )
        return done

    async def job(self, storage_id: str, name: JobName) -> JobState:
        return await self._operate.job(await self._element(storage_id), name)

    async def start_job(self, storage_id: str, name: JobName, by: Actor, *, checksums: bool = True) -> JobState:
        begun = await self._operate.start_job(await self._element(storage_id), name, checksums=checksums)
        async with self._transactions() as rows:
            await self._journal.done(
                rows.audit, by, f"storage_element.{name}_started", storage_id, checksums=begun.checksums
            )
        return begun

    async def file(self, storage_id: str, file_id: UUID) -> File:
        """What the element's attr.json says now, whatever the registry has."""
        return await self._files.file(await self._element(storage_id), file_id)

    async def _element(self, storage_id: str) -> StorageElement:
        async with self._transactions() as rows:
            return await get_element(rows.elements, storage_id)
