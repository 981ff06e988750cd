"""Files that the disk did not give out: how often that was so (requirement S14).

One read error may be a cable, a controller that was busy, a path that came back. The same file in several runs of
reconcile or scrub is a bad place on the disk. Who can be read in between begins anew. It is kept in maintenance/, so that
a restart does not forget it; losing that costs time only.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final
from uuid import UUID

from artstore_core.errors import ArtStoreError
from pydantic import BaseModel, ValidationError

from storage_element.store.inspection import Notes
from storage_element.store.workers import Workers

MOST_RUNS: Final = 3
"""In so many runs the disk did not give a file out: it will not."""
MOST_FILES: Final = 1000
"""So many are remembered. A disk with more of them has other troubles; they are counted once these are settled."""
_NOTE: Final = "readerrors"


class _Kept(BaseModel):
    """The runs in which each file could not be read."""

    runs: dict[UUID, list[str]] = {}


class ReadErrors:
    """`load` comes first; until then nothing is known of any file."""

    def __init__(self, notes: Notes, workers: Workers) -> None:
        self._notes, self._workers = notes, workers
        self._kept: _Kept | None = None
        self._one_at_a_time = asyncio.Lock()

    def __contains__(self, file_id: UUID) -> bool:
        return self._kept is not None and file_id in self._kept.runs

    @property
    def files(self) -> list[UUID]:
        return [] if self._kept is None else list(self._kept.runs)

    async def load(self) -> None:
        """Raises StorageUnavailable."""
        async with self._one_at_a_time:
            await self._load()

    async def add(self, file_id: UUID, run: str) -> bool:
        """Whether it is so often now that the file is lost. Raises StorageUnavailable."""
        async with self._one_at_a_time:
            kept = await self._load()
            if file_id not in kept.runs and len(kept.runs) >= MOST_FILES:
                return False
            runs = kept.runs.setdefault(file_id, [])
            if run not in runs:
                runs.append(run)
                await self._save(kept)
            return len(runs) >= MOST_RUNS

    async def forget(self, file_id: UUID) -> None:
        """It was read, or seen to."""
        if file_id in self:
            async with self._one_at_a_time:
                kept = await self._load()
                if kept.runs.pop(file_id, None) is not None:
                    await self._save(kept)

    async def _load(self) -> _Kept:
        if self._kept is None:
            content = await self._workers.run(self._notes.load, _NOTE)
            self._kept = _Kept()
            if content is not None:
                with suppress(ValidationError):
                    self._kept = _Kept.model_validate_json(content)
        return self._kept

    async def _save(self, kept: _Kept) -> None:
        """Where the disk does not take it, it is known until a restart, at least."""
        with suppress(ArtStoreError):
            await self._workers.run(self._notes.save, _NOTE, kept.model_dump_json(indent=1).encode())
