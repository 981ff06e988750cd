"""NDCG@10 of whatever finds files, over all judged queries and by kind of query."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from bench.relevance.judged import Judged, judged
from bench.relevance.ndcg import DEPTH, ndcg

Find = Callable[[str, str, int], Awaitable[Sequence[str]]]
"""Mode, query and how many at most → names of files, best first."""


@dataclass(frozen=True)
class Scored:
    judged: Judged
    found: Sequence[str]
    score: float


async def measure(find: Find) -> list[Scored]:
    scored = []
    for one in judged():
        found = await find(one.mode, one.query, DEPTH)
        scored.append(Scored(one, found, ndcg(found, one.grades)))
    return scored


def by_kind(scored: Sequence[Scored]) -> dict[str, float]:
    """The mean of every kind, and of all under the name `all`."""
    kinds: dict[str, list[float]] = defaultdict(list)
    for one in scored:
        kinds[one.judged.kind].append(one.score)
        kinds["all"].append(one.score)
    return {kind: fmean(scores) for kind, scores in kinds.items()}


def table(scored: Sequence[Scored]) -> str:
    """Markdown."""
    counts: dict[str, int] = defaultdict(int)
    for one in scored:
        counts[one.judged.kind] += 1
        counts["all"] += 1
    lines = [f"| {kind} | {counts[kind]} | {mean:.3f} |" for kind, mean in by_kind(scored).items()]
    return "\n".join([f"| kind of query | queries | NDCG@{DEPTH} |", "|---|---|---|", *lines])
