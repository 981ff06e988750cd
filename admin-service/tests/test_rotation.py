"""A signing key's life, step by step, on a clock that the test turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from admin_service.audit.log import Actor
from admin_service.identity.keys import KeyVault
from admin_service.identity.rotation import REMEMBERED, KeyRotation, KeyStatus, Rows
from admin_support import KEY
from artstore_core.errors import AdminUnavailable
from artstore_testing.postgres import Database
from cryptography.exceptions import InvalidTag
from key_times import MONTH, PUBLISH, RETIRING, START, TIMES, Bench, new_bench, signing_key

OPERATOR = Actor("sa:operator")
NEXT, ACTIVE, RETIRES, WITHDRAWN = KeyStatus
MOMENT = timedelta(seconds=1)


@pytest.fixture
async def bench(migrated: Database) -> AsyncIterator[Bench]:
    async with new_bench(migrated) as made:
        yield made


@pytest.mark.parametrize(
    ("after", "states"),
    [
        (-PUBLISH, [NEXT, ACTIVE]),
        (-MOMENT, [NEXT, ACTIVE]),
        (timedelta(0), [ACTIVE, RETIRES]),
        (RETIRING * 2, [ACTIVE, RETIRES]),  # until somebody withdraws it
    ],
)
def test_one_key_is_active_at_any_time(after: timedelta, states: list[KeyStatus]) -> None:
    """`after`: since the second key's first signature."""
    keys = [signing_key("old", START - MONTH), signing_key("new", START)]
    lives = TIMES.lives(keys, START + after)
    assert [(life.key.kid, life.status) for life in lives.all] == list(zip(["new", "old"], states, strict=True))
    assert lives.all[1].retires_at == START + RETIRING


def test_key_that_was_withdrawn_before_it_signed_ends_no_other() -> None:
    keys = [signing_key("old", START), signing_key("never", START + PUBLISH, withdrawn_at=START + MOMENT)]
    lives = TIMES.lives(keys, START + MONTH)
    assert lives.active
    assert lives.active.key.kid == "old"
    assert lives.active.retires_at is None


def test_key_that_signed_and_was_withdrawn_did_end_the_one_before() -> None:
    leaked = signing_key("leaked", START, withdrawn_at=START + MOMENT)
    keys = [signing_key("old", START - MONTH), leaked, signing_key("new", START + MOMENT)]
    lives = TIMES.lives(keys, START + MOMENT)
    assert [(life.key.kid, life.status) for life in lives.all] == [
        ("new", ACTIVE), ("leaked", WITHDRAWN), ("old", RETIRES),
    ]  # fmt: skip
    assert lives.all[2].retires_at == START + RETIRING


async def test_first_key_of_a_clock_that_was_ahead_keeps_nobody_out(bench: Bench) -> None:
    """Without a key that signs nobody gets a token, not even to ask for another key."""
    bench.now = START + timedelta(days=400)
    await bench.rotation().keep_up()
    [ahead] = await bench.keys()
    bench.now = START
    await bench.rotation().keep_up()
    states = await bench.states()
    assert (states.pop(ahead.kid), list(states.values())) == (NEXT, [ACTIVE])
    await bench.rotation().keep_up()
    assert len(await bench.keys()) == 2
    bench.now += MONTH
    for _ in range(3):
        await bench.rotation().keep_up()
    assert list((await bench.states()).values()) == [NEXT, NEXT, ACTIVE]


async def test_key_of_another_replica_whose_clock_is_a_little_ahead_is_waited_for(bench: Bench) -> None:
    bench.now += MOMENT * 30
    await bench.rotation().keep_up()
    bench.now = START
    await bench.rotation().keep_up()
    assert list((await bench.states()).values()) == [NEXT]


async def test_life_from_publication_to_erasure(bench: Bench) -> None:
    rotation = bench.rotation()
    await rotation.keep_up()
    first = (await bench.keys())[0].kid
    assert await bench.states() == {first: ACTIVE}

    bench.now += timedelta(days=3)
    second = (await rotation.rotate(OPERATOR)).key.kid
    published = bench.now
    assert await bench.states() == {second: NEXT, first: ACTIVE}
    bench.now = published + PUBLISH - MOMENT
    assert await bench.states() == {second: NEXT, first: ACTIVE}
    bench.now = published + PUBLISH
    assert await bench.states() == {second: ACTIVE, first: RETIRES}

    bench.now = published + PUBLISH + RETIRING - MOMENT
    await rotation.keep_up()
    assert await bench.states() == {second: ACTIVE, first: RETIRES}
    bench.now += MOMENT
    await rotation.keep_up()
    assert await bench.states() == {second: ACTIVE, first: WITHDRAWN}
    erased = (await bench.keys())[1]
    assert (erased.kid, erased.private_encrypted, erased.withdrawn_at) == (first, None, bench.now)

    bench.now += REMEMBERED - timedelta(days=300)
    await rotation.keep_up()
    assert first in await bench.states()
    bench.now += timedelta(days=300) + MOMENT
    await rotation.keep_up()
    assert first not in await bench.states()


async def test_every_change_is_in_the_audit_log_with_who_made_it(bench: Bench) -> None:
    rotation = bench.rotation()
    await rotation.keep_up()
    await rotation.rotate(OPERATOR)
    bench.now += PUBLISH + RETIRING
    await rotation.keep_up()
    second, first = [key.kid for key in await bench.keys()]
    await rotation.replace_leaked(OPERATOR)
    third = (await bench.keys())[0].kid
    entries = await bench.audit()
    assert [(entry["actor"], entry["action"], entry["target"]) for entry in entries] == [
        ("system", "jwt_key.published", first),
        ("sa:operator", "jwt_key.published", second),
        ("system", "jwt_key.withdrawn", first),
        ("sa:operator", "jwt_key.published", third),
        ("sa:operator", "jwt_key.withdrawn", second),
    ]
    assert [entry["details"].get("reason") for entry in entries if entry["action"].endswith("withdrawn")] == [
        "retired",
        "replaced at once",
    ]
    assert bench.told == 4


async def test_rotation_while_one_is_pending_gives_the_pending_key(bench: Bench) -> None:
    rotation = bench.rotation()
    await rotation.keep_up()
    first = await rotation.rotate(OPERATOR)
    assert await rotation.rotate(OPERATOR) == first
    assert len(await bench.keys()) == 2
    bench.now += PUBLISH
    assert (await rotation.rotate(OPERATOR)).key.kid != first.key.kid


async def test_leaked_key_and_all_before_and_after_it_are_gone_at_once(bench: Bench) -> None:
    rotation = bench.rotation()
    await rotation.keep_up()
    await rotation.rotate(OPERATOR)
    bench.now += PUBLISH
    await rotation.rotate(OPERATOR)  # so there is one of each kind
    assert list((await bench.states()).values()) == [NEXT, ACTIVE, RETIRES]
    new = await rotation.replace_leaked(OPERATOR)
    assert (new.status, new.key.active_from) == (ACTIVE, bench.now)
    states = await bench.states()
    assert states.pop(new.key.kid) is ACTIVE
    assert set(states.values()) == {WITHDRAWN}
    assert [key.private_encrypted is None for key in await bench.keys()].count(False) == 1
    bench.now += PUBLISH * 2
    assert (await bench.states())[new.key.kid] is ACTIVE


async def test_schedule_follows_a_key_that_is_old(bench: Bench) -> None:
    rotation = bench.rotation()
    await rotation.keep_up()
    bench.now += MONTH - MOMENT
    await rotation.keep_up()
    assert len(await bench.keys()) == 1
    bench.now += MOMENT
    for _ in range(3):
        await rotation.keep_up()
    assert list((await bench.states()).values()) == [NEXT, ACTIVE]
    bench.now += PUBLISH + MONTH
    for _ in range(3):
        await rotation.keep_up()
    assert list((await bench.states()).values()) == [NEXT, ACTIVE, WITHDRAWN]


async def test_schedule_that_is_off_makes_the_first_key_and_no_other(bench: Bench) -> None:
    rotation = bench.rotation(replace(TIMES, every=None))
    for _ in range(3):
        await rotation.keep_up()
        bench.now += MONTH * 100
    assert len(await bench.keys()) == 1
    await rotation.rotate(OPERATOR)
    bench.now += PUBLISH + RETIRING
    await rotation.keep_up()
    assert list((await bench.states()).values()) == [ACTIVE, WITHDRAWN]


async def test_wait_for_the_lock_is_no_time_of_being_published(bench: Bench) -> None:
    rotation = bench.rotation()
    await rotation.keep_up()
    async with bench.store.transaction() as other:
        await other.keys.lock()
        waiting = asyncio.create_task(rotation.rotate(OPERATOR))
        await _waits_for_the_lock(bench)
        bench.now += PUBLISH
    life = await waiting
    assert (life.status, life.key.active_from) == (NEXT, bench.now + PUBLISH)


async def test_keys_are_sealed_anew_under_another_key_encryption_key(bench: Bench) -> None:
    await bench.rotation().keep_up()
    await bench.rotation().rotate(OPERATOR)
    changed = KeyVault(b"n" * 32, previous=KEY)
    for _ in range(2):
        await bench.rotation(vault=changed).keep_up()
    for key in await bench.keys():
        assert KeyVault(b"n" * 32).open(key).kid == key.kid
        with pytest.raises(InvalidTag):
            KeyVault(KEY).open(key)
    assert [entry["action"] for entry in await bench.audit()].count("jwt_key.sealed_anew") == 2


async def test_lost_key_encryption_key_is_survived_by_an_immediate_rotation(bench: Bench) -> None:
    await bench.rotation().keep_up()
    vault = KeyVault(b"n" * 32)
    new = await bench.rotation(vault=vault).replace_leaked(OPERATOR)
    assert vault.open(new.key)


async def test_schedule_outlives_a_database_that_is_away(bench: Bench) -> None:
    failures = [AdminUnavailable("away"), RuntimeError("something else"), AdminUnavailable("away")]
    done = asyncio.Event()

    @asynccontextmanager
    async def transaction() -> AsyncIterator[Rows]:
        if failures:
            raise failures.pop()
        async with bench.store.transaction() as rows:
            yield rows

    async def changed() -> None:
        done.set()

    rotation = KeyRotation(transaction, KeyVault(KEY), TIMES, bench.clock, changed)
    looking_after = asyncio.create_task(rotation.run(0.001))
    async with asyncio.timeout(10):
        await done.wait()
    looking_after.cancel()
    await asyncio.gather(looking_after, return_exceptions=True)
    assert list((await bench.states()).values()) == [ACTIVE]


async def _waits_for_the_lock(bench: Bench) -> None:
    """Until some transaction does."""
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    async with asyncio.timeout(10):
        while True:
            async with bench.engine.connect() as connection:
                if (await connection.exec_driver_sql(waiting)).scalar_one():
                    return
