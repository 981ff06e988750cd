"""A lock that is had in turns: who gives it back and wants it again gets it after the one who waits."""

from __future__ import annotations

import threading


class Turns:
    """threading.Lock lets whoever comes first have it, which is nearly always the one that has just let go. Who waits
    here holds `_next` meanwhile, and everybody else waits for that."""

    def __init__(self) -> None:
        self._next, self._now = threading.Lock(), threading.Lock()

    def __enter__(self) -> None:
        with self._next:
            self._now.acquire()

    def __exit__(self, *_: object) -> None:
        self._now.release()
