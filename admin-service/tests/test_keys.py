"""Keys in memory while the database is away or hangs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from admin_service.identity.clock import system_clock
from admin_service.identity.keys import (
    RELOAD_SECONDS,
    RETRY_SECONDS,
    TRUST_SECONDS,
    KeyRing,
    KeyVault,
    SigningKey,
    new_signing_key,
)
from artstore_core.errors import AdminUnavailable
from cryptography.exceptions import InvalidTag

VAULT = KeyVault(bytes(32))


class Database:
    """identity.keys.KeyRows, as far as a ring reads them, in memory; can be away, or hang until `answers` is set."""

    def __init__(self) -> None:
        self.started = system_clock()
        self.keys = [new_signing_key(VAULT, self.started)]
        self.away = False
        self.answers = asyncio.Event()
        self.answers.set()
        self.asked = asyncio.Event()
        self.tried = 0
        self.now = 0.0

    @asynccontextmanager
    async def rows(self) -> AsyncIterator[Database]:
        self.tried += 1
        self.asked.set()
        if self.away:
            await asyncio.sleep(0)
            raise AdminUnavailable("away")
        await self.answers.wait()
        yield self

    async def published(self) -> Sequence[SigningKey]:
        return [key for key in self.keys if key.withdrawn_at is None]

    async def lock(self) -> None: ...

    async def add_first(self, key: SigningKey) -> bool:
        self.keys.append(key)
        return True

    async def add(self, key: SigningKey) -> None:
        self.keys.insert(0, key)

    async def every(self) -> Sequence[SigningKey]:
        return self.keys

    async def withdraw(self, kid: str, now: datetime) -> None:
        self.keys = [replace(key, withdrawn_at=now) if key.kid == kid else key for key in self.keys]

    async def seal_anew(self, kid: str, private_encrypted: bytes) -> None: ...

    async def forget(self, withdrawn_before: datetime) -> None: ...

    async def publish(self, *, after: float) -> SigningKey:
        """Another replica adds the key that signs `after` seconds from now."""
        now = self.wall_clock()
        key = replace(new_signing_key(VAULT, now), active_from=now + timedelta(seconds=after))
        await self.add(key)
        return key

    def clock(self) -> float:
        return self.now

    def wall_clock(self) -> datetime:
        return self.started + timedelta(seconds=self.now)

    def ring(self, vault: KeyVault = VAULT) -> KeyRing:
        return KeyRing(self.rows, vault, self.wall_clock, self.clock)


async def test_keys_are_published_and_verify_on_without_the_database() -> None:
    database = Database()
    ring = database.ring()
    before = await ring.jwks()
    database.away = True
    for _ in range(10):
        database.now += RELOAD_SECONDS * 100
        assert await ring.jwks() == before
        assert await ring.find(database.keys[0].kid)


async def test_short_absence_of_the_database_stops_no_signing_and_a_long_one_does() -> None:
    database = Database()
    ring = database.ring()
    kid = (await ring.signer()).kid
    database.away = True
    database.now += TRUST_SECONDS
    assert (await ring.signer()).kid == kid
    database.now += 1
    with pytest.raises(AdminUnavailable):
        await ring.signer()
    database.away = False
    database.now += RETRY_SECONDS
    assert (await ring.signer()).kid == kid


async def test_database_that_hangs_keeps_only_one_waiting() -> None:
    database = Database()
    ring = database.ring()
    await ring.signer()
    database.answers.clear()
    database.asked.clear()
    database.now += RELOAD_SECONDS
    first = asyncio.create_task(ring.jwks())
    await database.asked.wait()
    async with asyncio.timeout(1):
        await asyncio.gather(*(ring.find(database.keys[0].kid) for _ in range(20)), ring.signer(), ring.jwks())
    assert not first.done()
    database.answers.set()
    await first
    assert database.tried == 2


async def test_key_signs_from_its_time_on_without_another_reading() -> None:
    database = Database()
    old, new = database.keys[0], await database.publish(after=4)
    ring = database.ring()
    assert (await ring.signer()).kid == old.kid
    assert {key["kid"] for key in (await ring.jwks())["keys"]} == {old.kid, new.kid}
    database.now += 3.9
    assert (await ring.signer()).kid == old.kid
    database.now += 0.1
    assert (await ring.signer()).kid == new.kid
    assert database.tried == 1


async def test_leaked_key_signs_nothing_once_another_replica_withdrew_it() -> None:
    database = Database()
    ring = database.ring()
    leaked = database.keys[0].kid
    assert (await ring.signer()).kid == leaked
    new = await database.publish(after=0)
    await database.withdraw(leaked, database.wall_clock())
    database.now += RELOAD_SECONDS
    assert (await ring.signer()).kid == new.kid
    assert await ring.find(leaked) is None


async def test_change_of_this_replica_is_seen_at_once() -> None:
    database = Database()
    ring = database.ring()
    await ring.signer()
    new = await database.publish(after=0)
    await ring.renew()
    assert (await ring.signer()).kid == new.kid


async def test_unknown_key_is_looked_for_but_forged_ones_do_not_flood_the_database() -> None:
    database = Database()
    ring = database.ring()
    await ring.jwks()
    new = await database.publish(after=10)
    database.now += RETRY_SECONDS
    assert await ring.find(new.kid)
    for number in range(100):
        assert await ring.find(f"forged-{number}") is None
    assert database.tried == 2


async def test_verifiers_get_the_same_object_for_the_same_key() -> None:
    """They remember good tokens by it: another object would cost a signature check each."""
    database = Database()
    ring = database.ring()
    before = await ring.find(database.keys[0].kid)
    database.now += RELOAD_SECONDS
    assert await ring.find(database.keys[0].kid) is before


async def test_opened_key_signs_on_when_another_replica_sealed_it_anew() -> None:
    """While replicas are given another key encryption key one by one."""
    database = Database()
    ring = database.ring()
    kid = (await ring.signer()).kid
    sealed = KeyVault(b"n" * 32, previous=bytes(32)).sealed_anew(database.keys[0])
    assert sealed
    database.keys = [replace(database.keys[0], private_encrypted=sealed)]
    database.now += RELOAD_SECONDS
    assert (await ring.signer()).kid == kid
    unable = database.ring()
    with pytest.raises(AdminUnavailable):
        await unable.signer()
    assert unable.active_age() is None  # what an alert goes by
    assert (await database.ring(KeyVault(b"n" * 32)).signer()).kid == kid


async def test_age_and_number_are_known_from_memory() -> None:
    database = Database()
    ring = database.ring()
    assert (ring.active_age(), ring.published()) == (None, 0)
    await database.publish(after=60)
    await ring.jwks()
    database.now += 30
    assert (ring.active_age(), ring.published()) == (timedelta(seconds=30), 2)


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


def test_previous_key_encryption_key_opens_and_what_it_sealed_is_sealed_anew() -> None:
    key = new_signing_key(VAULT, system_clock())
    vault = KeyVault(b"n" * 32, previous=bytes(32))
    assert vault.open(key).as_pem() == VAULT.open(key).as_pem()
    sealed = vault.sealed_anew(key)
    anew = replace(key, private_encrypted=sealed)
    assert KeyVault(b"n" * 32).open(anew).as_pem() == VAULT.open(key).as_pem()
    assert vault.sealed_anew(anew) is None
    assert vault.sealed_anew(replace(key, private_encrypted=None)) is None
    assert KeyVault(b"x" * 32, previous=b"y" * 32).sealed_anew(key) is None
