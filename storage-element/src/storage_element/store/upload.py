"""One resumable upload, as it is remembered between requests."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from artstore_core.errors import Conflict, NotFound, RateLimited

from storage_element.store.agreement import Agreement
from storage_element.store.capacity import Hold
from storage_element.store.listening import Listening
from storage_element.store.part import Part

MOST_PARTS_AT_ONCE: Final = 32
"""Of one upload. Each holds a few MiB of memory and, while it writes, one of the threads for the disk."""


@dataclass(slots=True)
class Upload:
    """What was agreed, and what it holds of the element's room. Its offset is not remembered: that is measured."""

    agreement: Agreement
    hold: Hold
    turns: int = 0
    generation: int = 0
    logged: bool = False
    """Its file is promised, and rests on its bytes: they are the log's, until a checkpoint."""
    noted: int = 0
    """The change by which the agreement was last noted."""
    hash_so_far: Any = None
    table: dict[int, Part] | None = None
    """The parts that are there, by number; None until somebody has asked the disk."""
    doubtful: set[int] = field(default_factory=set)
    """Those of them whose bytes were not seen since the disk was opened."""
    hash_turn: int = 0
    """Counts how often what was hashed and what the table says came to nothing."""
    hashing: bool = False
    receiving: dict[int, Listening] = field(default_factory=dict)
    """Parts that are on their way, by number."""
    _alone: bool = False
    _listening: Listening = field(default_factory=Listening)

    @property
    def size(self) -> int | None:
        return self.agreement.size

    @property
    def parts(self) -> tuple[UUID, ...]:
        return self.agreement.parts

    @property
    def joined(self) -> bool:
        return self.agreement.joined

    @property
    def busy(self) -> bool:
        return self._alone or bool(self.receiving)

    @contextlib.contextmanager
    def alone(self, generation: int) -> Iterator[None]:
        """Raises Conflict while another request works on it, and keeps others away. Never waits. `generation` is the
        element's as the request begins: what it writes is acknowledged in that one only."""
        if self.busy:
            raise in_use()
        self._listening.begin()
        self._alone, self.generation = True, generation
        self.turns += 1
        try:
            yield
        finally:
            self._alone = False
            self._listening.end()

    @contextlib.contextmanager
    def receives(self, number: int) -> Iterator[Listening]:
        """One part, beside others. Raises Conflict while the same part comes from elsewhere, or somebody is alone with
        the upload, and RateLimited."""
        if self._alone or number in self.receiving:
            raise in_use()
        if len(self.receiving) >= MOST_PARTS_AT_ONCE:
            raise RateLimited(
                f"At most {MOST_PARTS_AT_ONCE} parts of an upload may come at once.", headers={"Retry-After": "1"}
            )
        listening = self.receiving[number] = Listening()
        self.turns += 1
        try:
            yield listening
        finally:
            del self.receiving[number]
            listening.end()

    def heard(self, source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """An append's body, up to where `free_of_the_dead` ends it."""
        return self._listening.heard(source)

    async def free_of_the_dead(self) -> None:
        """Ends an append whose body has been silent for long; what came of it is kept."""
        await self._listening.end_the_dead()

    async def free_of_dead_parts(self, *numbers: int) -> None:
        """The same for parts, of which nothing is kept: for these, whose way they are in, or for all."""
        for number in numbers or list(self.receiving):
            if (listening := self.receiving.get(number)) is not None:
                await listening.end_the_dead()

    def found_anew(self, agreement: Agreement, hold: Hold) -> None:
        """The disk was opened: what was known of it before counts no more."""
        self.agreement, self.hold, self.noted = agreement, hold, 0
        self.lose_hash()
        self.table = None

    def lose_hash(self) -> None:
        self.hash_so_far = None
        self.hash_turn += 1

    def check_in_order(self) -> None:
        """Raises Conflict for an upload whose bytes come as parts."""
        if self.agreement.part_size is not None:
            raise Conflict("This upload takes its bytes as parts, in any order.")

    def check_sealed(self) -> None:
        """Raises Conflict for parts that may still change."""
        if self.agreement.part_size is not None and not self.agreement.sealed:
            raise Conflict("The parts of this upload were not sealed.")

    def check_joined(self) -> None:
        """Raises Conflict for what is half a concatenation: its bytes are nobody's to go on from."""
        if not self.joined:
            raise Conflict("A concatenation into this upload was cut short: repeat it, or abort the upload.")


def in_use() -> Conflict:
    return Conflict("Another request is working on this upload.", headers={"Retry-After": "1"})


def no_upload(upload_id: UUID | None = None) -> NotFound:
    details = None if upload_id is None else {"parts": f"there is no upload {upload_id}"}
    return NotFound("There is no such upload.", details=details)
