"""Walking all files of an element, by key.

    1. The feed's position is noted. All that changes from here on is met again in step 3.
    2. The list is read by key to its end. Each page is written as it comes; the element's rows in the page's range that
       are not on it are noted as absent. Nothing is deleted.
    3. The changes since the noted position are replayed: whoever is named there is not absent.
    4. What is absent still is marked deleted.

A list that breaks off, or that cannot have been whole, ends the sync before step 4. A file that is uploaded meanwhile
is not marked, whatever happens: its row did not stand in the registry when the sync began, or was touched since.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import Final
from uuid import UUID

from artstore_core.elements import ElementInfo

from admin_service.registry.follow import replay
from admin_service.registry.listed import FilesPage
from admin_service.registry.paging import ahead
from admin_service.registry.run import Run
from admin_service.registry.syncs import Position, PositionGone, SyncFailed, SyncRows

_MARKED_AT_ONCE: Final = 5000


async def walk(run: Run, info: ElementInfo) -> Position:
    """The position up to which the registry is right now."""
    if info.epoch is None or info.sequence is None:
        raise SyncFailed("it does not say how far its changes go")
    count, total = await _walk_list(run)
    try:
        position, replayed = await replay(run, Position(info.epoch, info.sequence))
    except PositionGone:
        raise SyncFailed("its index was made anew while its files were walked") from None
    # Every file that it had at the end was met: on the list, or among the changes.
    if total > count + replayed:
        raise SyncFailed(f"its list ended after {count} files, and it has {total}")
    while await run.mark(_MARKED_AT_ONCE):
        pass
    return position


async def _walk_list(run: Run) -> tuple[int, int]:
    """How many files were met, and how many there were at the end."""
    count, total, after = 0, 0, None
    async with aclosing(ahead(None, run.files, _following)) as pages:
        async for page in pages:
            await _write(run, page, after)
            count, total = count + len(page.ids), page.total
            after = page.ids[-1] if page.ids else after
    return count, total


async def _write(run: Run, page: FilesPage, after: UUID | None) -> None:
    until = page.ids[-1] if page.has_more else None

    async def note(rows: SyncRows) -> None:
        await rows.note_absent(after, until, page.ids)

    async def nothing_more(_rows: SyncRows) -> None:
        """The position is the walk's own, at its end."""

    await run.write(page, note, nothing_more)


def _following(page: FilesPage) -> UUID | None:
    return page.ids[-1] if page.has_more else None
