"""How long to wait before another try."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses double from `first`, up to `longest` seconds; of each a random half is left out, so that jobs that failed
    together do not come back together. After `attempts` tries there is no other."""

    attempts: int = 8
    first: float = 2.0
    longest: float = 600.0

    def pause(self, attempts: int) -> timedelta | None:
        """After so many tries; None when that was the last."""
        if attempts >= self.attempts:
            return None
        whole = min(self.first * 2 ** (attempts - 1), self.longest)
        return timedelta(seconds=random.uniform(whole / 2, whole))
