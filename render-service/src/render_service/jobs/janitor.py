"""Removing from the store what nothing refers to any more."""

from __future__ import annotations

from typing import Final, Protocol

from artstore_core.errors import StorageUnavailable
from artstore_kit.logs import get_logger

from render_service.jobs.worker import Bell
from render_service.renditions.store import RenditionStore

_log = get_logger(__name__)

_EVERY_SECONDS: Final = 5.0
_CLEAN_EVERY: Final = 720
"""Rounds between two looks at what only has to be gone some day."""


class Removals(Protocol):
    async def next(self, store: RenditionStore) -> bool:
        """Removes one prefix that is due and not in use; False when there is none. Raises StorageUnavailable; what the store
        did not remove is due again later, behind what waits."""
        ...

    async def clean(self) -> None: ...


async def tidy(removals: Removals, store: RenditionStore, bell: Bell, seconds: float = _EVERY_SECONDS) -> None:
    """Until cancelled. Every worker does it; each prefix is one's. `bell`: there may be something now."""
    rounds = 0
    while True:
        try:
            while await removals.next(store):
                pass
            if rounds % _CLEAN_EVERY == 0:
                await removals.clean()
            rounds += 1
        except StorageUnavailable:
            pass  # what is due stays due
        except Exception:  # noqa: BLE001  what cannot be removed today must not stay for ever
            _log.exception("renditions could not be removed")
        await bell.wait(seconds)
