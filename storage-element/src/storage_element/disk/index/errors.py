"""What SQLite's errors mean to a caller."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from artstore_core.errors import StorageFull, StorageUnavailable

from storage_element.store.ports import RebuildNeeded

_FULL: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE})
_PERHAPS_FULL: Final = frozenset({sqlite3.SQLITE_IOERR_WRITE})
"""Of what write(2) says SQLite knows ENOSPC alone. A quota that is used up (EDQUOT) and a limit on the length of files
(EFBIG) come out as this, and so does a broken disk. A write that failed was rolled back: it says nothing about what the
index holds."""
_PASSING: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_IOERR_NOMEM,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
    }
)
"""These say that it cannot be done now, and nothing about what the index holds."""


class IndexDoubtful(RebuildNeeded):
    """The index is missing, unreadable, of another schema version, another element's, not finished, or behind: it must
    be made again from the attr.json files.

    `message` goes out to callers; `detail`, which str() gives as well, is for the log.
    """

    def __init__(self, detail: str) -> None:
        super().__init__("The storage element's index cannot be trusted; it is made anew.")
        self.detail = detail

    def __str__(self) -> str:
        return self.detail


IsFull = Callable[[], bool]
"""Whether the disk takes nothing more now. Asked only once something was not written."""


@contextmanager
def meaning(doubted: Callable[[IndexDoubtful], None], is_full: IsFull) -> Iterator[None]:
    """Turns SQLite's errors into StorageFull (507), StorageUnavailable (503) or IndexDoubtful; calls `doubted` before
    the last of these is raised."""
    try:
        yield
    except sqlite3.Error as error:
        failure = failure_of(error, is_full)
        if isinstance(failure, IndexDoubtful):
            doubted(failure)
        raise failure from error
    except IndexDoubtful as doubt:
        doubted(doubt)
        raise


def failure_of(error: sqlite3.Error, is_full: IsFull) -> StorageFull | StorageUnavailable | IndexDoubtful:
    code = _code(error)
    if code in _FULL or (code in _PERHAPS_FULL and is_full()):
        return StorageFull("The storage element is full.")
    if code in _PASSING or _primary(error) in _PASSING:
        return StorageUnavailable("The storage element's index cannot be used now.")
    return IndexDoubtful(f"SQLite says: {error}")


def failure_to_open(error: sqlite3.Error, is_full: IsFull) -> StorageFull | StorageUnavailable | IndexDoubtful:
    """Opening fails for a file that is not there as well; and one that somebody else has is no reason to replace it."""
    failure = failure_of(error, is_full)
    return IndexDoubtful(f"it cannot be opened: {error}") if _primary(error) == sqlite3.SQLITE_CANTOPEN else failure


def _code(error: sqlite3.Error) -> int:
    # Without a code it comes from Python's module and not from SQLite: a connection that was closed.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_INTERRUPT)


def _primary(error: sqlite3.Error) -> int:
    return _code(error) & 0xFF
