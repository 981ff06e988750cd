"""What is made is shown at once, not when all of it is made: the first page is seen while the hundredth is drawn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self

from artstore_core.errors import StorageUnavailable
from artstore_kit.spans import span

from render_service.decoders.contract import Output
from render_service.jobs.ports import Jobs, Run
from render_service.renditions.naming import described
from render_service.renditions.rendition import NewRendition
from render_service.renditions.store import RenditionStore

_PATIENCE_SECONDS: Final = 60.0


class Publisher:
    """Call it with each output that is whole, in the event loop; `finish` with all of them in the end.

    While some are on their way into the store the next ones gather, and go together.
    """

    def __init__(self, jobs: Jobs, store: RenditionStore, run: Run) -> None:
        self._jobs, self._store, self._run = jobs, store, run
        self._pending: list[Output] = []
        self._more, self._over = asyncio.Event(), False
        self._names: set[str] = set()
        self._batches = 0
        self._working: asyncio.Task[None] | None = None

    def __call__(self, output: Output) -> None:
        self._pending.append(output)
        self._more.set()

    async def __aenter__(self) -> Self:
        self._working = asyncio.create_task(self._work())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._working is not None
        self._working.cancel()
        await asyncio.wait({self._working})
        if not self._working.cancelled():
            self._working.exception()  # seen: where it matters `finish` has raised it

    async def finish(self, outputs: tuple[Output, ...]) -> None:
        """Publishes what is left. Raises what publishing raised, LostJob too."""
        assert self._working is not None
        self._pending.extend(outputs)
        self._over = True
        self._more.set()
        await self._working

    async def _work(self) -> None:
        while not (self._over and not self._pending):
            await self._more.wait()
            self._more.clear()
            while self._pending:
                batch, self._pending = self._pending, []
                await self._publish(batch)

    async def _publish(self, batch: list[Output]) -> None:
        prefix = f"{self._run.job.file_id}/{self._run.id}/{self._batches}/"
        self._batches += 1
        made: list[NewRendition] = []
        for output in batch:
            rendition = await asyncio.to_thread(described, output)
            if rendition.name in self._names:
                continue
            if not made:
                # Before anything is written, so that nothing of a run that dies stays for ever.
                await patiently(lambda: self._jobs.announce(prefix))
            with span("store rendition", {"artstore.bytes": rendition.size}):
                await self._store.put(f"{prefix}{rendition.name}", output.path, rendition.media_type)
            self._names.add(rendition.name)
            made.append(rendition)
        if made:
            await patiently(lambda: self._jobs.publish(self._run, prefix, made))


async def patiently(write: Callable[[], Awaitable[None]], seconds: float = _PATIENCE_SECONDS) -> None:
    """What was converted shall not be lost to a restart of the database. Raises StorageUnavailable in the end."""
    now = asyncio.get_running_loop().time
    give_up, pause = now() + seconds, 0.1
    while True:
        try:
            return await write()
        except StorageUnavailable:
            if now() + pause >= give_up:
                raise
        await asyncio.sleep(pause)
        pause = min(2 * pause, 2.0)
