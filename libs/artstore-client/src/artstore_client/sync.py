"""The client for programs without an event loop: the same methods, blocking.

There is one implementation, the asynchronous one; here it runs on an event loop in a thread of its own (anyio's
blocking portal). Generated or copied code would be two things to keep right, and `asyncio.run` per call would lose the
connections and the token, and fail inside a notebook, where a loop is already running.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Concatenate, ParamSpec, Self, TypeVar

from anyio.from_thread import start_blocking_portal

from artstore_client.aio import AsyncArtStore
from artstore_client.config import Config

P = ParamSpec("P")
R = TypeVar("R")
_END = object()
_open: set[ArtStore] = set()
_guard = threading.Lock()


def _blocking(
    method: Callable[Concatenate[AsyncArtStore, P], Awaitable[R]],
) -> Callable[Concatenate[ArtStore, P], R]:
    def call(self: ArtStore, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._run(functools.partial(method, self._client, *args, **kwargs))

    functools.update_wrapper(call, method)  # not `wraps`: for type checkers it would no longer bind `self`
    return call


def _iterating(
    method: Callable[Concatenate[AsyncArtStore, P], AsyncIterator[R]],
) -> Callable[Concatenate[ArtStore, P], Iterator[R]]:
    def call(self: ArtStore, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[R]:
        iterator = method(self._client, *args, **kwargs)

        async def step() -> R | object:
            # StopAsyncIteration cannot travel through a future as a result, so the end is a value.
            return await anext(iterator, _END)

        while (item := self._run(step)) is not _END:
            yield item  # type: ignore[misc]  # everything but _END is an R

    functools.update_wrapper(call, method)
    return call


class ArtStore:
    """ArtStore, seen from a program. Use it as a context manager, or call `close`.

    The methods are those of `AsyncArtStore`, with the same arguments, results and exceptions. Safe to use from several
    threads. `on_progress` is called on the client's own thread.
    """

    def __init__(self, config: Config | None = None) -> None:
        self._client = AsyncArtStore(config)
        self.config = self._client.config
        self._stack = ExitStack()
        self._portal = self._stack.enter_context(start_blocking_portal(name="artstore-client"))
        self._stack.callback(self._portal.call, self._client.aclose)
        _remember(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections and ends the thread. A second time does nothing."""
        with _guard:
            _open.discard(self)
        self._stack.close()

    def _run(self, function: Callable[[], Awaitable[R]]) -> R:
        future = self._portal.start_task_soon(function)
        try:
            return future.result()
        except BaseException:
            future.cancel()  # Ctrl-C while waiting: the transfer must not go on unseen
            raise

    whoami = _blocking(AsyncArtStore.whoami)
    upload = _blocking(AsyncArtStore.upload)
    search = _blocking(AsyncArtStore.search)
    search_all = _iterating(AsyncArtStore.search_all)
    info = _blocking(AsyncArtStore.info)
    download = _blocking(AsyncArtStore.download)


def _remember(store: ArtStore) -> None:
    """Sees to it that a client nobody closes does not keep the process from ending.

    anyio's worker threads are not daemons, and Python joins those before it runs `atexit`. Only a thread of our own
    learns earlier that the main thread has ended.
    """
    with _guard:
        _open.add(store)
        if not any(thread.name == _WATCHER for thread in threading.enumerate()):
            threading.Thread(target=_close_at_exit, name=_WATCHER, daemon=True).start()


_WATCHER = "artstore-client-exit"


def _close_at_exit() -> None:
    threading.main_thread().join()
    while True:
        with _guard:
            if not _open:
                return
            store = _open.pop()
        store.close()
