"""Nobody leaves while a thread still works for him; keys are let through one at a time."""

import asyncio
import threading

import pytest
from storage_element.store.locks import KeyedLocks
from storage_element.store.workers import Workers


async def test_cancelled_caller_waits_for_its_thread() -> None:
    workers, go, done = Workers(1), threading.Event(), threading.Event()

    def work() -> None:
        go.wait(5)
        done.set()

    task = asyncio.create_task(workers.run(work))
    await asyncio.sleep(0)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done.is_set()
    workers.close()


async def test_error_of_a_thread_reaches_the_caller() -> None:
    workers = Workers(1)

    def work() -> None:
        raise ValueError("here")

    with pytest.raises(ValueError, match="here"):
        await workers.run(work)
    workers.close()


async def test_one_key_one_at_a_time_and_nothing_is_left_behind() -> None:
    locks, inside, most = KeyedLocks(), 0, 0

    async def enter(key: int) -> None:
        nonlocal inside, most
        async with locks(key):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(enter(1) for _ in range(10)))
    assert most == 1
    await asyncio.gather(*(enter(number) for number in range(10)))
    assert most > 1
    assert not locks._locks
