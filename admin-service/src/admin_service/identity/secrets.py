"""Secrets: made at random, kept as argon2id hashes (RFC 9106), checked in bounded threads."""

from __future__ import annotations

import asyncio
import secrets as random
from collections.abc import Callable, Sequence
from typing import ParamSpec, Protocol, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from artstore_core.errors import RateLimited

P = ParamSpec("P")
T = TypeVar("T")

SECRET_BYTES = 32
AT_ONCE = 2
WAITING_AT_MOST = 64
"""A hash costs about 20 ms of a core on purpose: past this many waiting, more logins only make all of them late."""


def new_secret() -> str:
    return random.token_urlsafe(SECRET_BYTES)


class SecretHasher(Protocol):
    async def hash(self, secret: str) -> str: ...

    async def matches_any(self, secret: str, hashes: Sequence[str]) -> bool:
        """Costs the same for no hash as for one that does not match, so that time tells nothing."""
        ...


class Argon2Hasher:
    """argon2id with OWASP's 19 MiB, 2 passes: cheap enough for machine logins, dear enough for a thief.

    Raises RateLimited when too many wait.
    """

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._decoy = self._hasher.hash(new_secret())
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def hash(self, secret: str) -> str:
        return await self._bounded(self._hasher.hash, secret)

    async def matches_any(self, secret: str, hashes: Sequence[str]) -> bool:
        return await self._bounded(self._matches_any, secret, list(hashes))

    def _matches_any(self, secret: str, hashes: list[str]) -> bool:
        if not hashes:
            self._matches(self._decoy, secret)
            return False
        return any(self._matches(one, secret) for one in hashes)

    def _matches(self, hashed: str, secret: str) -> bool:
        try:
            return self._hasher.verify(hashed, secret)
        except (VerifyMismatchError, VerificationError, InvalidHashError):
            return False

    async def _bounded(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._waiting >= WAITING_AT_MOST:
            raise RateLimited("Too many sign-ins at once", headers={"Retry-After": "2"})
        self._waiting += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(work, *args, **kwargs)
        finally:
            self._waiting -= 1
