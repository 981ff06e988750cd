"""Room is promised once: what is held for one upload is not there for the next."""

import pytest
from artstore_core.errors import StorageFull
from hypothesis import given
from hypothesis import strategies as st
from storage_element.disk.filesystem import Usage
from storage_element.store.capacity import HEADROOM_BYTES, Capacity

DISK = Usage(total=10**12, free=10**12)


def test_limit_counts_what_is_stored_and_what_is_promised() -> None:
    capacity = Capacity(100)
    hold = capacity.hold(30, 50, DISK)
    with pytest.raises(StorageFull):
        capacity.hold(21, 50, DISK)
    capacity.hold(20, 50, DISK)
    capacity.release(hold)
    capacity.hold(30, 50, DISK)


def test_full_disk_counts_whatever_the_limit_says() -> None:
    capacity = Capacity(10**15)
    with pytest.raises(StorageFull):
        capacity.hold(1, 0, Usage(total=10**12, free=HEADROOM_BYTES))
    capacity.hold(1, 0, Usage(total=10**12, free=HEADROOM_BYTES + 1))


def test_written_bytes_are_not_taken_from_the_disk_twice() -> None:
    """They are gone from the disk's free bytes already."""
    capacity = Capacity(None)
    hold = capacity.hold(100, 0, Usage(total=1000, free=HEADROOM_BYTES + 100))
    hold.written = 60
    capacity.hold(50, 0, Usage(total=1000, free=HEADROOM_BYTES + 90))
    with pytest.raises(StorageFull):
        capacity.hold(1, 0, Usage(total=1000, free=HEADROOM_BYTES + 90))


def test_hold_that_cannot_grow_stays_as_it_was() -> None:
    capacity = Capacity(100)
    hold = capacity.hold(40, 0, DISK)
    with pytest.raises(StorageFull):
        capacity.grow(hold, 101, 0, DISK)
    assert hold.size == 40
    capacity.grow(hold, 100, 0, DISK)
    assert hold.size == 100


def test_upload_from_before_a_restart_is_let_in_without_a_question() -> None:
    capacity = Capacity(10)
    capacity.hold_existing(100, 50)
    assert capacity.figures(0, DISK) == (10, 50, 0)


@given(
    limit=st.none() | st.integers(0, 10**9),
    used=st.integers(0, 10**9),
    free=st.integers(0, 10**9),
    sizes=st.lists(st.integers(0, 10**8), max_size=8),
)
def test_figures_never_promise_more_than_a_hold_gets(limit: int | None, used: int, free: int, sizes: list[int]) -> None:
    capacity, disk = Capacity(limit), Usage(total=10**12, free=free)
    for size in sizes:
        available = capacity.figures(used, disk)[2]
        assert available >= 0
        if size <= available:
            capacity.hold(size, used, disk)
        elif size:
            with pytest.raises(StorageFull):
                capacity.hold(size, used, disk)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["size", "written", "release"]), st.integers(0, 50))),
    st.integers(0, 3),
)
def test_what_is_left_is_that_of_adding_up_all_holds(steps: list[tuple[int, str, int]], released_twice: int) -> None:
    capacity, free = Capacity(None), HEADROOM_BYTES + 1000
    holds = [capacity.hold_existing(10, number) for number in range(4)]
    there = set(range(4))
    for number, what, value in steps:
        if what == "release":
            capacity.release(holds[number])
            there.discard(number)
        else:
            setattr(holds[number], what, value)
    capacity.release(holds[released_twice])
    there.discard(released_twice)
    capacity.release(holds[released_twice])
    left = [(holds[number].size, holds[number].written) for number in there]
    _, used, available = capacity.figures(0, Usage(total=10**12, free=free))
    assert used == sum(written for _, written in left)
    assert available == 1000 - sum(size - min(written, size) for size, written in left)
