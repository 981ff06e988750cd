"""Worker threads for the disk, and the rule that nobody leaves while a thread still works for him."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Workers:
    """Bounded pools. What waits for a thread waits in its own request, and stops reading its client meanwhile.

    Short reads have threads of their own. Behind flushes, which may each take seconds, they would be late enough for a
    disk that is merely busy to be taken for a dead one.
    """

    def __init__(self, threads: int = 16, short_threads: int = 2) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="disk")
        self._short = ThreadPoolExecutor(short_threads, thread_name_prefix="disk-short")

    def start(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """Must be awaited with `settled` before anything that the work uses is closed."""
        return asyncio.get_running_loop().run_in_executor(self._pool, lambda: work(*args, **kwargs))

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await settled(self.start(work, *args, **kwargs))

    async def look(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """For what reads a little and never flushes: the marker, the mode, the room, one file's record."""
        loop = asyncio.get_running_loop()
        return await settled(loop.run_in_executor(self._short, lambda: work(*args, **kwargs)))

    def close(self) -> None:
        self._pool.shutdown(wait=True)
        self._short.shutdown(wait=True)


class Shared(Generic[T]):
    """A look at something that all who ask may share: one that has not begun when they ask is new enough for them."""

    def __init__(self, look: Callable[[], Awaitable[T]]) -> None:
        self._look = look
        self._running: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._running))
            self._next.add_done_callback(_seen)
        return await asyncio.shield(self._next)

    async def _after(self, running: asyncio.Task[T] | None) -> T:
        if running is not None:
            await asyncio.wait({running})
        self._running, self._next = self._next, None
        return await self._look()


def _seen(task: asyncio.Task[Any]) -> None:
    """Whoever asked may be gone; the loop need not report what nobody waits for."""
    if not task.cancelled():
        task.exception()


async def settled(future: asyncio.Future[T]) -> T:
    """The result. A cancelled caller is cancelled only once the thread is done.

    A thread cannot be stopped: were its file closed under it, the next file to be opened would get the same number,
    and the bytes.
    """
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError:
                continue
        if not future.cancelled():
            future.exception()  # looked at, so that the loop does not report it as lost
        raise
