"""The registry from the elements alone (requirement R5): `python -m admin_service rebuild-registry`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from time import monotonic
from typing import Final

from artstore_core.errors import ArtStoreError

from admin_service.audit.log import Actor
from admin_service.registry.elements import ElementRows, get_element
from admin_service.registry.sync import AT_ONCE, HistoryOf, Syncs, Wanted
from admin_service.registry.syncs import Sync, SyncReason, SyncStatus

TELL_SECONDS: Final = 2.0
Say = Callable[[str], None]


class Rebuilding:
    """Walks all files of the elements, several at a time, and says how it goes on. It may run beside the service: where
    that syncs an element just now, it waits."""

    def __init__(
        self,
        elements: Callable[[], AbstractAsyncContextManager[ElementRows]],
        history: HistoryOf,
        syncs: Syncs,
        say: Say,
        *,
        tell_seconds: float = TELL_SECONDS,
    ) -> None:
        self._elements, self._history, self._syncs, self._say = elements, history, syncs, say
        self._tell_seconds = tell_seconds
        # A sync that waits for its turn has a connection as well: with many elements there would be none for the last.
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def run(self, only: str | None, *, reset: bool, by: Actor) -> bool:
        """Whether all went well. `reset`: what the registry has of these elements is removed first."""
        try:
            names = await self._names(only)
        except ArtStoreError as error:
            self._say(error.message)
            return False
        wanted = Wanted(SyncReason.REBUILD, by, full=True, reset=reset)
        started = monotonic()
        telling = asyncio.create_task(self._tell(names))
        try:
            ended = await asyncio.gather(*(self._one(name, wanted) for name in names))
        finally:
            telling.cancel()
        files = sum(sync.files_read for sync in ended if sync is not None)
        seconds = monotonic() - started
        self._say(f"{files} files of {len(names)} elements in {seconds:.1f} s: {files / seconds:.0f} a second")
        return all(sync is not None and sync.status is SyncStatus.SUCCEEDED for sync in ended)

    async def _names(self, only: str | None) -> Sequence[str]:
        async with self._elements() as rows:
            if only is not None:
                return [(await get_element(rows, only)).storage_id]
            return [element.storage_id for element in await rows.every()]

    async def _one(self, storage_id: str, wanted: Wanted) -> Sync | None:
        try:
            async with self._at_once:
                begun = await self._syncs.begin(storage_id, wanted, wait=True)
                assert begun.task is not None
                sync = await begun.task
        except ArtStoreError as error:
            self._say(f"{storage_id}: {error.message}")
            return None
        self._say(f"{storage_id}: {sync.status.value}{f': {sync.error}' if sync.error else ''}; {_counts(sync)}")
        for conflict in sync.conflict_examples:
            self._say(f"{storage_id}: {conflict['file_id']} is registered on {conflict['storage_element_id']}")
        for refused in sync.refused_examples:
            self._say(f"{storage_id}: {refused['file_id']} cannot be registered: {refused['why']}")
        return sync

    async def _tell(self, names: Sequence[str]) -> None:
        while True:
            await asyncio.sleep(self._tell_seconds)
            try:
                async with self._history() as history:
                    running = [sync for name in names if (sync := await history.running(name)) is not None]
            except ArtStoreError:
                continue
            for sync in running:
                self._say(f"{sync.storage_id}: {_counts(sync)}")


def _counts(sync: Sync) -> str:
    words = (
        f"{sync.files_read} read, {sync.files_added} added, {sync.files_updated} updated, {sync.files_deleted} deleted"
    )
    doubts = [(sync.conflicts, "on other elements"), (sync.files_refused, "refused")]
    return ", ".join([words, *(f"{count} {what}" for count, what in doubts if count)])
