"""Is what is there after a power cut one of the things that may be there?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from power_cut.promises import DELETED, FileHistory, State

_DAMAGED: Final = "damaged"


class Kind(StrEnum):
    """LOST: promised, and not there or gone back to before. CORRUPT: what nobody sent. BROKEN: it does not work."""

    LOST = "lost"
    CORRUPT = "corrupt"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    kind: Kind
    what: str
    subject: str


def judge_record(file_id: UUID, history: FileHistory, moment: int, seen: State | None) -> Finding | None:
    """`seen` is what the element tells of a file after a cut at `moment`; None when it knows of none."""
    possible = history.possible(moment)
    if seen in possible:
        return None
    promised = None not in possible
    if seen is None:
        return Finding(Kind.LOST, "an acknowledged file is not there", str(file_id))
    if seen.status == _DAMAGED:
        if promised:
            return Finding(Kind.LOST, "an acknowledged file is damaged", str(file_id))
        return Finding(Kind.CORRUPT, "a file that was not acknowledged is there in part", str(file_id))
    if any(seen == step.state for step in history.steps):
        what = "delete" if any(state is not None and state.status == DELETED for state in possible) else "change"
        return Finding(Kind.LOST, f"an acknowledged {what} is undone", str(file_id))
    return Finding(Kind.CORRUPT, f"a record that nobody sent: {_differences(seen, possible)}", str(file_id))


def judge_bytes(file_id: UUID, history: FileHistory, moment: int, checksum: str | None) -> Finding | None:
    """`checksum` is of the bytes that the element gives; None when it gives none."""
    if checksum == history.content.checksum:
        return None
    if checksum is not None:
        return Finding(Kind.CORRUPT, "other bytes than were sent", str(file_id))
    if history.is_promised(moment):
        return Finding(Kind.LOST, "an acknowledged file's bytes cannot be read", str(file_id))
    return Finding(Kind.CORRUPT, "a file that was not acknowledged is listed without its bytes", str(file_id))


def judge_strangers(seen: Mapping[UUID, State], known: Mapping[UUID, FileHistory], moment: int) -> list[Finding]:
    """Files that nobody had begun to upload by then."""
    return [
        Finding(Kind.CORRUPT, "a file that nobody had sent", str(file_id))
        for file_id in seen
        if file_id not in known or not known[file_id].changed(moment)
    ]


def _differences(seen: State, possible: list[State | None]) -> str:
    nearest = next((state for state in reversed(possible) if state is not None), None)
    if nearest is None:
        return "nothing may be there"
    expected = asdict(nearest)
    return ", ".join(
        f"{name} is {value!r:.80}, not {expected[name]!r:.80}"
        for name, value in asdict(seen).items()
        if value != expected[name]
    )
