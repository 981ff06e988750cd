"""Holding an idempotency key: renewed while the work goes on, noticed when it is lost, given up as what it was."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from artstore_core.errors import (
    AdminUnavailable,
    ArtStoreError,
    Conflict,
    StorageFull,
    StorageUnavailable,
    TypeNotAllowed,
)
from artstore_core.files import File
from artstore_core.ids import new_id
from ingester_service.upload.idempotency import Attempt, Begun, Claim, Done, IdempotencyKeys

PRINT = "0" * 64


@dataclass
class Keeper:
    """Admin, who does as it is told. `fails` comes instead of an answer, one by one."""

    fails: list[ArtStoreError] = field(default_factory=list)
    begun: int = 0
    finished: list[UUID] = field(default_factory=list)
    given_up: list[bool] = field(default_factory=list)
    renewed: asyncio.Event = field(default_factory=asyncio.Event)

    async def begin(self, _attempt: Attempt, file_id: UUID) -> Begun | Done:
        self._fail()
        self.begun += 1
        if self.begun > 2:
            self.renewed.set()
        return Begun(file_id, again=False)

    async def finish(self, _attempt: Attempt, file_id: UUID, _fingerprint: str, _file: File | None) -> None:
        self._fail()
        self.finished.append(file_id)

    async def give_up(self, _attempt: Attempt, _file_id: UUID, *, unknown: bool) -> None:
        self.given_up.append(unknown)

    def _fail(self) -> None:
        if self.fails:
            raise self.fails.pop(0)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_key_is_renewed_while_the_work_goes_on() -> None:
    keeper = Keeper()
    async with IdempotencyKeys(keeper, renewal=0.01).held("sa:a", "k"):
        keeper.fails = [AdminUnavailable("away")]
        await asyncio.wait_for(keeper.renewed.wait(), 5)
    assert keeper.given_up == []


@pytest.mark.parametrize(
    ("seconds", "failure", "expected"),
    [
        (1.0, Conflict("another's"), None),
        (30.0, None, None),
        (30.0, Conflict("another's"), Conflict),
        (30.0, AdminUnavailable("away"), None),
        (55.0, AdminUnavailable("away"), AdminUnavailable),
    ],
)
async def test_before_it_counts_the_key_is_ours_or_the_work_ends(
    seconds: float, failure: ArtStoreError | None, expected: type[ArtStoreError] | None
) -> None:
    """Within the lease nobody else can have taken it, so that admin's absence then is no reason to stop."""
    keeper, clock = Keeper(), Clock()
    raised: type[ArtStoreError] | None = None
    try:
        async with IdempotencyKeys(keeper, clock=clock).held("sa:a", "k") as claim:
            assert isinstance(claim, Claim)
            clock.now = seconds
            keeper.fails = [failure] if failure else []
            await claim.still_ours()
    except ArtStoreError as error:
        raised = type(error)
    assert raised is expected


@pytest.mark.parametrize(
    ("failure", "unknown"),
    [
        (TypeNotAllowed("no"), False),
        (StorageFull("no"), False),
        (AdminUnavailable("no"), False),
        (StorageUnavailable("who knows"), True),
        (OSError("who knows"), True),
        (asyncio.CancelledError(), True),
    ],
)
async def test_a_failure_says_whether_something_may_be_stored(failure: BaseException, unknown: bool) -> None:
    keeper = Keeper()
    with pytest.raises(type(failure)):
        async with IdempotencyKeys(keeper).held("sa:a", "k"):
            raise failure
    assert keeper.given_up == [unknown]


@pytest.mark.parametrize(("failures", "noted"), [(0, True), (2, True), (3, False)])
async def test_the_end_is_told_a_few_times_and_never_fails(failures: int, noted: bool) -> None:
    keeper, file_id = Keeper(), new_id()
    async with IdempotencyKeys(keeper).held("sa:a", "k") as claim:
        assert isinstance(claim, Claim)
        keeper.fails = [AdminUnavailable("away") for _ in range(failures)]
        await claim.done(file_id, PRINT, None)
    assert keeper.finished == ([file_id] if noted else [])


async def test_without_a_key_nobody_is_asked() -> None:
    keeper = Keeper(fails=[AdminUnavailable("away")])
    async with IdempotencyKeys(keeper).held("sa:a", None) as claim:
        assert isinstance(claim, Claim)
        await claim.still_ours()
        await claim.done(claim.file_id, PRINT, None)
    assert (keeper.begun, len(keeper.fails)) == (0, 1)
