"""Keys in memory while the database is away or hangs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from admin_service.identity.clock import system_clock
from admin_service.identity.keys import RELOAD_SECONDS, KeyRing, KeyVault, SigningKey, new_signing_key
from artstore_core.errors import AdminUnavailable
from cryptography.exceptions import InvalidTag

VAULT = KeyVault(bytes(32))


class Database:
    def __init__(self) -> None:
        self.keys = [new_signing_key(VAULT, system_clock())]
        self.away = False
        self.tried = 0
        self.now = 0.0

    @asynccontextmanager
    async def rows(self) -> AsyncIterator[Database]:
        self.tried += 1
        if self.away:
            await asyncio.sleep(0)
            raise AdminUnavailable("away")
        yield self

    async def published(self) -> Sequence[SigningKey]:
        return self.keys

    async def add_first(self, key: SigningKey) -> bool:
        self.keys.append(key)
        return True

    def clock(self) -> float:
        return self.now

    def ring(self) -> KeyRing:
        return KeyRing(self.rows, VAULT, system_clock, self.clock)


async def test_keys_serve_on_without_the_database() -> None:
    database = Database()
    ring = database.ring()
    before = await ring.jwks()
    database.away = True
    database.now += RELOAD_SECONDS
    assert await ring.jwks() == before
    assert (await ring.signer()).kid == database.keys[0].kid


async def test_many_askers_cost_an_absent_database_one_try() -> None:
    database = Database()
    database.away = True
    ring = database.ring()
    answers = await asyncio.gather(*(ring.jwks() for _ in range(20)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {AdminUnavailable}
    assert database.tried == 1


async def test_set_without_keys_is_never_published() -> None:
    database = Database()
    database.keys.clear()
    with pytest.raises(AdminUnavailable):
        await database.ring().jwks()


def test_private_key_opens_only_under_its_own_key_and_id() -> None:
    key = new_signing_key(VAULT, system_clock())
    assert VAULT.open(key).kid == key.kid
    with pytest.raises(InvalidTag):
        KeyVault(b"x" * 32).open(key)
