"""Lockout after failed sign-ins (requirement I6).

Failures are counted per submitted name, whether such a user exists or not. An attempt is counted before the password is
looked at, so that a hundred guesses at once, on several replicas, get no more looks than five in a row do. A name is

- open: `attempts` is below the limit; the next attempt counts itself and looks;
- being checked: `attempts` reached the limit and no answer is known yet; further attempts are told to come again;
- locked: an attempt at the limit failed; `locked_until` says how long. To the outside that looks like a wrong password;
- forgotten: the lock ended, or nothing happened for as long as a lock lasts. The next attempt counts as the first.

A replica that dies while it looks leaves a name in "being checked"; after CHECKING that counts as locked, reckoned from
the last attempt, and ends like any lock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from admin_service.identity.passwords import folded

CHECKING = timedelta(seconds=60)
"""Longer than any look at a password takes: the queue of hashes and the waits for the database are shorter."""
REMOVED_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class LockoutPolicy:
    failures: int = 5
    lasts: timedelta = timedelta(minutes=15)


class Turn(StrEnum):
    """What an attempt may do."""

    LOOK = "look"
    BUSY = "busy"
    LOCKED = "locked"


class FailureRows(Protocol):
    """The table of failed sign-ins, within one transaction. Names go as `name_hash`."""

    async def count(self, name: bytes, policy: LockoutPolicy, now: datetime) -> Turn:
        """Counts an attempt, if there is one left. Safe between replicas."""
        ...

    async def failed(self, name: bytes, policy: LockoutPolicy, now: datetime) -> bool:
        """The counted attempt was wrong. True when that locked the name."""
        ...

    async def give_back(self, name: bytes) -> None:
        """The counted attempt never came to look at the password."""
        ...

    async def clear(self, name: bytes) -> None: ...

    async def locked_until(
        self, names: Collection[bytes], policy: LockoutPolicy, now: datetime
    ) -> Mapping[bytes, datetime]:
        """Of those names that are locked now, until when."""
        ...

    async def remove_old(self, policy: LockoutPolicy, now: datetime, *, at_most: int = REMOVED_AT_ONCE) -> None:
        """Takes out forgotten names, more than one attempt can add."""
        ...


def name_hash(name: str) -> bytes:
    """People type passwords into the field for the name: what was typed is never kept."""
    return hashlib.sha256(folded(name).encode()).digest()


def shown_name(name: str) -> str:
    """A name that belongs to nobody, as the audit log may show it."""
    return f"unknown:{name_hash(name).hex()[:16]}"
