"""One connection that writes, and a few that read beside it: with SQLite's WAL neither waits for the other."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Protocol

from artstore_core.errors import StorageUnavailable


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str) -> Iterator[None]:
    """`IMMEDIATE` to write; `DEFERRED` for several reads of one state."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has already rolled back after some errors, a full disk among them.
        if connection.in_transaction:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


class Readers(Protocol):
    def borrow(self) -> AbstractContextManager[sqlite3.Connection]:
        """Raises StorageUnavailable after `close`."""
        ...

    def close(self) -> None:
        """Waits for those that read. The writer's lock is held."""
        ...


class ReaderPool:
    """A fixed number of connections, opened before they are needed: who finds none free waits for one."""

    def __init__(self, size: int, connect: Callable[[], sqlite3.Connection]) -> None:
        self._size, self._free = size, threading.Semaphore(size)
        self._idle: list[sqlite3.Connection] = []
        try:
            for _ in range(size):
                self._idle.append(connect())
        except BaseException:
            self.close()
            raise

    @contextmanager
    def borrow(self) -> Iterator[sqlite3.Connection]:
        with self._free:
            if not self._idle:
                raise _closed()
            connection = self._idle.pop()
            try:
                yield connection
            finally:
                self._idle.append(connection)

    def close(self) -> None:
        for _ in range(self._size):
            self._free.acquire()
        while self._idle:
            self._idle.pop().close()
        self._free.release(self._size)


class SharedConnection:
    """For an index in memory, which has a single connection: readers take turns with the writer."""

    def __init__(self, connection: sqlite3.Connection, lock: AbstractContextManager[None]) -> None:
        self._connection, self._lock = connection, lock
        self._closed = False

    @contextmanager
    def borrow(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._closed:
                raise _closed()
            yield self._connection

    def close(self) -> None:
        self._closed = True


def _closed() -> StorageUnavailable:
    return StorageUnavailable("The storage element's index is closed.")
