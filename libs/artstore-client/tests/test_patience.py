"""For how long a bad line is borne with, by a clock that only its own waiting moves."""

from __future__ import annotations

import pytest
from artstore_client import RetryPolicy, UploadPolicy, errors
from artstore_client.resumable.patience import Patience, Pause

GONE = errors.NotConnected("no route")
RETRY = RetryPolicy(base_seconds=1.0, cap_seconds=10.0)


class Clock:
    """Time passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def answer(status: int, retry_after: float | None = None) -> errors.ApiError:
    return errors.ApiError("no", status=status, code=f"HTTP_{status}", retry_after=retry_after)


def patience_of(clock: Clock, offline: float = 0.0, attempts: int = 5) -> tuple[Patience, Pause]:
    pause = Pause(clock, clock.sleep)
    return Patience(UploadPolicy(attempts=attempts, offline_seconds=offline), RETRY, pause), pause


async def failures_borne(patience: Patience, error: errors.ArtStoreClientError) -> int:
    for count in range(1000):
        try:
            await patience.after(error)
        except errors.ArtStoreClientError:
            return count
    return -1


@pytest.mark.parametrize("error", [GONE, answer(503), answer(413), answer(500), answer(404), answer(423)])
async def test_five_attempts_with_growing_pauses(error: errors.ArtStoreClientError) -> None:
    clock = Clock()
    assert await failures_borne(patience_of(clock)[0], error) == 4
    assert all(low / 2 <= slept <= low for slept, low in zip(clock.slept, [1, 2, 4, 8], strict=True))


@pytest.mark.parametrize("error", [GONE, answer(502), answer(429)])
async def test_weather_is_borne_for_the_time_that_was_set(error: errors.ArtStoreClientError) -> None:
    clock = Clock()
    patience, _ = patience_of(clock, offline=600)
    await failures_borne(patience, error)
    assert 600 <= clock.now - 1000 <= 610


async def test_what_is_not_the_weather_is_not_borne_for_hours() -> None:
    clock = Clock()
    assert await failures_borne(patience_of(clock, offline=3600)[0], answer(413)) == 4


async def test_an_odd_answer_after_much_bad_weather_is_not_the_last() -> None:
    clock = Clock()
    patience, _ = patience_of(clock, offline=3600)
    for _ in range(10):
        await patience.after(GONE)
    assert await failures_borne(patience, answer(404)) == 4


@pytest.mark.parametrize("status", [400, 401, 403, 415, 422])
async def test_a_refusal_is_final(status: int) -> None:
    clock = Clock()
    assert await failures_borne(patience_of(clock, offline=3600)[0], answer(status)) == 0


async def test_progress_forgets_what_failed_before() -> None:
    clock = Clock()
    patience, _ = patience_of(clock)
    for _ in range(4):
        await patience.after(GONE)
    patience.progressed()
    assert await failures_borne(patience, GONE) == 4


async def test_retry_after_is_kept_and_all_parts_pause() -> None:
    clock = Clock()
    patience, pause = patience_of(clock, offline=600)
    await patience.after(answer(503, retry_after=30))
    assert clock.slept == [30]
    before = clock.now
    pause.until(clock.now + 7)
    await pause.over()
    assert clock.now == before + 7


async def test_more_patience_than_we_have_is_not_begun() -> None:
    clock = Clock()
    assert await failures_borne(patience_of(clock, offline=100)[0], answer(503, retry_after=3600)) == 0
    assert clock.slept == []
