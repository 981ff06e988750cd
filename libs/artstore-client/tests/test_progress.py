"""Lines for a log: rate and time left, not more often than every ten seconds."""

from __future__ import annotations

from artstore_client.cli.progress import Lines

MIB = 1024 * 1024


def test_rate_and_time_left() -> None:
    now, told = [100.0], list[str]()
    lines = Lines("a.bin", told.append, lambda: now[0])
    for passed, done in ((0, 0), (9, 5 * MIB), (10, 10 * MIB), (11, 11 * MIB), (20, 15 * MIB), (30, 15 * MIB)):
        now[0] = 100.0 + passed
        lines.show(done, 100 * MIB)
    assert told == [
        "a.bin: 10 % of 100.0 MiB, 1.0 MiB/s, 0:01:30 left",
        "a.bin: 15 % of 100.0 MiB, 512.0 KiB/s, 0:02:50 left",
        "a.bin: 15 % of 100.0 MiB, 0 B/s, stands still",
    ]


def test_nothing_is_said_of_what_is_quick_or_of_unknown_length() -> None:
    now, told = [0.0], list[str]()
    lines = Lines("a", told.append, lambda: now[0])
    lines.show(1, 2)
    now[0] = 60.0
    lines.show(5, None)
    assert told == []
