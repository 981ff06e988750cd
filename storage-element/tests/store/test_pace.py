from __future__ import annotations

from storage_element.store.pace import Pace


def test_rate_is_kept_and_a_second_may_be_saved_up() -> None:
    time = 100.0
    pace = Pace(10.0, lambda: time)
    assert pace.owed(10) == 1.0
    time += 1.0
    assert pace.owed(20) == 2.0
    time += 1000.0
    assert pace.owed(10) == 0.0  # saved up: one second, however long nothing was read
    assert pace.owed(10) == 1.0


def test_over_a_long_time_it_is_the_rate() -> None:
    time, read = 0.0, 0
    pace = Pace(1000.0, lambda: time)
    while time < 60:
        read += 4096
        time += pace.owed(4096) + 0.001
    assert 55_000 < read < 70_000
