"""Following an element's changes: work in proportion to what changed, whatever the size of the registry."""

from __future__ import annotations

from contextlib import aclosing

from admin_service.registry.listed import ChangesPage
from admin_service.registry.paging import ahead
from admin_service.registry.run import Run, nothing
from admin_service.registry.syncs import Position, SyncRows


async def follow(run: Run, position: Position) -> Position:
    """From `position` to the end. Each page moves the element's position in its own transaction, so a sync that is
    killed has lost nothing. Raises PositionGone where only a walk helps."""
    async with aclosing(
        ahead(position.sequence, lambda after: run.changes(after, position.epoch), _following)
    ) as pages:
        async for page in pages:
            reached = Position(position.epoch, page.last if page.has_more else page.end)

            async def keep(rows: SyncRows, reached: Position = reached) -> None:
                await rows.set_position(reached, finished=False)

            await run.write(page, nothing, keep)
            position = reached
    return position


async def replay(run: Run, position: Position) -> tuple[Position, int]:
    """What changed while the files were walked, and how many those were: whatever is named is not absent. The element's
    position stays where it is until the walk's own end. Raises PositionGone."""
    count = 0
    async with aclosing(
        ahead(position.sequence, lambda after: run.changes(after, position.epoch), _following)
    ) as pages:
        async for page in pages:

            async def forget(rows: SyncRows, page: ChangesPage = page) -> None:
                await rows.forget_absent(page.ids)

            await run.write(page, forget, nothing)
            count += len(page.ids)
            position = Position(position.epoch, page.last if page.has_more else page.end)
    return position, count


def _following(page: ChangesPage) -> int | None:
    return page.last if page.has_more else None
