"""When the power is cut: at any moment, and at those where it matters most whether a flush came first."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final

Interval = tuple[int, int]
_SOON: Final = 1_000_000
"""A millisecond: what follows an answer within it is seldom flushed by what else goes on."""


def moments(
    count: int, answered: Sequence[Interval], flushes: Sequence[int], span: Interval, chance: Random
) -> list[int]:
    """`count` of them in order. In equal parts: at random in `span`, while something was under way, right after answers,
    right around flushes.

    All are nanoseconds of the monotonic clock; `answered` has the times when things were asked and answered. Raises
    ValueError where nothing was answered or flushed in `span`.
    """
    answered = [one for one in answered if span[0] <= one[0] and one[1] <= span[1]]
    flushes = [one for one in flushes if span[0] <= one <= span[1]]
    if not answered or not flushes:
        raise ValueError("nothing was acknowledged, or nothing flushed, in the recorded time")
    found = []
    for number in range(count):
        match number % 4:
            case 0:
                found.append(chance.randint(*span))
            case 1:
                found.append(chance.randint(*chance.choice(answered)))
            case 2:
                found.append(chance.choice(answered)[1] + chance.choice((0, 0, chance.randint(0, _SOON))))
            case _:
                # One nanosecond before it, nothing that it covers is safe; from its own time on, all is.
                found.append(chance.choice(flushes) - chance.choice((0, 1)))
    return sorted(found)
