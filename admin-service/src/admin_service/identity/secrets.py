"""Secrets: made at random, kept as argon2id hashes (RFC 9106), checked in bounded threads."""

from __future__ import annotations

import asyncio
import secrets as random
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import cache
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


_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


@cache
def _decoy() -> str:
    """The hash of a secret that nobody has."""
    return _HASHER.hash(new_secret())


def new_secret() -> str:
    return random.token_urlsafe(SECRET_BYTES)


def too_many_sign_ins() -> RateLimited:
    return RateLimited("Too many sign-ins at once", headers={"Retry-After": "2"})


class Slots:
    """`at_once` may work, `at_most` may be here at all; whoever comes beyond that hears RateLimited at once."""

    def __init__(self, at_once: int, at_most: int = WAITING_AT_MOST) -> None:
        self._slots, self._free = asyncio.Semaphore(at_once), at_most

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        if not self._free:
            raise too_many_sign_ins()
        self._free -= 1
        try:
            async with self._slots:
                yield
        finally:
            self._free += 1


class SecretHasher(Protocol):
    async def hash(self, secret: str) -> str: ...

    async def matching(self, secret: str, hashes: Sequence[str]) -> str | None:
        """The hash that the secret belongs to. Costs the same for no hash as for one that does not match, so that time
        tells nothing."""
        ...

    async def matches_any(self, secret: str, hashes: Sequence[str]) -> bool:
        """Whether `matching` finds one."""
        ...


class Argon2Hasher:
    """argon2id with OWASP's 19 MiB, 2 passes: cheap enough for machine logins, dear enough for a thief.

    The threads are its own: those that everything else shares must not be full of other people's guesses. Raises
    RateLimited when too many wait.
    """

    def __init__(self) -> None:
        self._hasher = _HASHER
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="argon2")
        self._slots = Slots(AT_ONCE)

    async def hash(self, secret: str) -> str:
        return await self._bounded(self._hasher.hash, secret)

    async def matching(self, secret: str, hashes: Sequence[str]) -> str | None:
        return await self._bounded(self._matching, secret, list(hashes))

    async def matches_any(self, secret: str, hashes: Sequence[str]) -> bool:
        return await self.matching(secret, hashes) is not None

    def _matching(self, secret: str, hashes: list[str]) -> str | None:
        if not hashes:
            self._matches(_decoy(), secret)
            return None
        return next((one for one in hashes if self._matches(one, secret)), None)

    def _matches(self, hashed: str, secret: str) -> bool:
        try:
            return self._hasher.verify(hashed, secret)
        except (VerifyMismatchError, VerificationError, InvalidHashError):
            return False

    async def _bounded(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        async with self._slots.taken():
            return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: work(*args, **kwargs))
