"""What a reader of the outbox hears, and the place that it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol


class Position(NamedTuple):
    """Behind which event a reader stands.

    `origin` names the database that the numbers are of: elsewhere, or in a restored copy, they mean nothing.
    """

    origin: str
    transaction_id: int
    id: int


@dataclass(frozen=True, slots=True)
class Event:
    """`kind` is `file.registered|changed|deleted` or `element.…`; `subject` the id of that file or element."""

    transaction_id: int
    id: int
    happened_at: datetime
    kind: str
    subject: str


class Why(StrEnum):
    NEW = "new"
    """The reader had no position."""
    TRIMMED = "trimmed"
    """Events behind its position were thrown away for their age."""
    OTHER_DATABASE = "other-database"
    """The position is of another database: this one was restored from a dump, recovered to an earlier point, or moved."""


@dataclass(frozen=True, slots=True)
class Events:
    """In order, each once. `position` is that of the last one."""

    events: Sequence[Event]
    position: Position


@dataclass(frozen=True, slots=True)
class Lost:
    """There may be events that this reader can hear of no more.

    It reads the registry as it is now, and follows from `position`. Whatever changes from now on comes as an event, even
    where the reader has seen it already: what it does on an event must bear that.
    """

    why: Why
    position: Position


News = Events | Lost


class Positions(Protocol):
    """Where a reader keeps its place; it writes it itself, with what it made of the events."""

    async def load(self) -> Position | None:
        """The place as it was last kept. Asked for again after each loss of the connection."""
        ...
