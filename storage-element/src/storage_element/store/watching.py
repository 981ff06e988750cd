"""Whether a file has changed while somebody was looking at it: without that, a look proves nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from storage_element.store.changes import Logged


class Watch:
    """`changed` is set in the committing thread, before the next change is decided, and never taken back."""

    __slots__ = ("changed",)

    def __init__(self) -> None:
        self.changed = False


class Watches:
    """Watches over single files. `on` runs on the event loop, `saw` in the committing thread."""

    def __init__(self) -> None:
        self._watches: dict[UUID, tuple[Watch, ...]] = {}

    @contextmanager
    def on(self, file_id: UUID) -> Iterator[Watch]:
        watch = Watch()
        self._watches[file_id] = (*self._watches.get(file_id, ()), watch)
        try:
            yield watch
        finally:
            others = tuple(other for other in self._watches[file_id] if other is not watch)
            if others:
                self._watches[file_id] = others
            else:
                del self._watches[file_id]

    def saw(self, group: Sequence[Logged]) -> None:
        if self._watches:
            for logged in group:
                for watch in self._watches.get(logged.change.file_id, ()):
                    watch.changed = True

    def lost_sight(self) -> None:
        """Anything may have changed: the disk was opened anew."""
        for watches in list(self._watches.values()):
            for watch in watches:
                watch.changed = True
