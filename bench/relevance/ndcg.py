"""Normalised discounted cumulative gain (Järvelin and Kekäläinen 2002; gains 2^grade - 1, as Burges 2005)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

DEPTH = 10


def ndcg(found: Sequence[str], grades: Mapping[str, int], depth: int = DEPTH) -> float:
    """0 to 1. Where nothing answers the query, finding nothing is 1 and finding anything is 0."""
    if not grades:
        return 0.0 if found else 1.0
    best = sorted(grades.values(), reverse=True)[:depth]
    return _gain([grades.get(name, 0) for name in found[:depth]]) / _gain(best)


def _gain(grades: Sequence[int]) -> float:
    return sum(((1 << grade) - 1) / math.log2(place + 2) for place, grade in enumerate(grades))
