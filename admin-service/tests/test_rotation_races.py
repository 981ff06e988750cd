"""Several replicas change the signing keys at once: always one that signs, at most one that will."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from admin_service.audit.log import Actor
from admin_service.identity.rotation import KeyRotation, KeyStatus, Timetable
from artstore_testing.postgres import Database
from key_times import MONTH, PUBLISH, RETIRING, TOKEN, Bench, new_bench

pytestmark = pytest.mark.integration
BY = Actor("sa:operator")
ROUNDS = 12
REPLICAS = 3


@pytest.fixture
async def bench(migrated: Database) -> AsyncIterator[Bench]:
    async with new_bench(migrated) as made:
        yield made


def replicas(bench: Bench) -> list[KeyRotation]:
    return [bench.rotation() for _ in range(REPLICAS)]


async def rotate(rotation: KeyRotation) -> None:
    await rotation.rotate(BY)


async def leak(rotation: KeyRotation) -> None:
    await rotation.replace_leaked(BY)


async def keep_up(rotation: KeyRotation) -> None:
    await rotation.keep_up()


async def test_rotating_at_once_makes_one_key_a_round(bench: Bench) -> None:
    rotators = replicas(bench)
    await asyncio.gather(*(rotator.keep_up() for rotator in rotators))
    assert len(await bench.keys()) == 1
    for done in range(1, ROUNDS + 1):
        given = await asyncio.gather(*(rotator.rotate(BY) for rotator in rotators))
        assert len({life.key.kid for life in given}) == 1
        assert len(await bench.keys()) == done + 1
        bench.now += PUBLISH
    assert [entry["action"] for entry in await bench.audit()] == ["jwt_key.published"] * (ROUNDS + 1)


async def test_schedules_at_once_make_one_key_a_month_and_withdraw_each_once(bench: Bench) -> None:
    rotators = replicas(bench)
    for done in range(1, ROUNDS + 1):
        await asyncio.gather(*(rotator.keep_up() for rotator in rotators))
        assert len(await bench.keys()) == done
        bench.now += MONTH + PUBLISH
    actions = Counter((entry["action"], entry["target"]) for entry in await bench.audit())
    assert set(actions.values()) == {1}
    assert Counter(action for action, _ in actions) == {
        "jwt_key.published": ROUNDS,
        "jwt_key.withdrawn": ROUNDS - 2,
    }


async def test_leak_reported_by_several_at_once_makes_one_key(bench: Bench) -> None:
    rotators = replicas(bench)
    await rotators[0].keep_up()
    for done in range(1, ROUNDS + 1):
        given = await asyncio.gather(*(rotator.replace_leaked(BY) for rotator in rotators))
        assert len({life.key.kid for life in given}) == 1
        assert len(await bench.keys()) == done + 1
        bench.now += timedelta(seconds=1)


async def test_anything_at_once_leaves_one_active_key(bench: Bench) -> None:
    """And no key signs that was not published long enough, save the first and those that replace a leaked one."""
    chance = random.Random(8)
    rotators = replicas(bench)
    await rotators[0].keep_up()
    for _ in range(ROUNDS * 2):
        works = chance.choices([rotate, leak, keep_up], [5, 1, 5], k=REPLICAS)
        await asyncio.gather(*(work(rotator) for work, rotator in zip(works, rotators, strict=True)))
        counted = Counter((await bench.states()).values())
        assert counted[KeyStatus.ACTIVE] == 1
        assert counted[KeyStatus.NEXT] <= 1
        bench.now += chance.choice([timedelta(0), timedelta(seconds=1), PUBLISH, RETIRING, MONTH])
    at_once = {entry["target"] for entry in await bench.audit() if entry["details"].get("at_once")}
    for key in await bench.keys():
        assert key.kid in at_once or key.active_from - key.created_at >= PUBLISH


async def test_key_stays_published_until_its_last_token_has_expired(bench: Bench) -> None:
    """Tokens are issued by whichever key signs, at every moment; each must find its key for as long as it counts."""
    short = Timetable(publish=timedelta(seconds=40), token=TOKEN, every=timedelta(seconds=300))
    rotation = bench.rotation(short)
    signed_last: dict[str, float] = {}
    start = bench.now
    for _ in range(400):
        await rotation.keep_up()
        lives = await rotation.lives()
        published = {life.key.kid for life in lives.published()}
        seconds = (bench.now - start).total_seconds()
        for kid, last in signed_last.items():
            assert kid in published or seconds > last + TOKEN.total_seconds()
        assert lives.active
        signed_last[lives.active.key.kid] = seconds
        bench.now += timedelta(seconds=10)
    assert len(signed_last) > 10
