"""One resumable upload, as it is remembered between requests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from artstore_core.errors import Conflict, NotFound

from storage_element.store.agreement import Agreement
from storage_element.store.capacity import Hold

SILENT_SECONDS: Final = 5.0
"""A body that brought nothing for so long may be taken for one whose connection is dead, once somebody else comes."""
_END_SECONDS: Final = 10.0
"""How long the end of such a body may take: what came of it is flushed."""


@dataclass(slots=True)
class Upload:
    """What was agreed, and what it holds of the element's room. Its offset is not remembered: that is measured."""

    agreement: Agreement
    hold: Hold
    busy: bool = False
    turns: int = 0
    generation: int = 0
    logged: bool = False
    """Its file is promised, and rests on its bytes: they are the log's, until a checkpoint."""
    noted: int = 0
    """The change by which the agreement was last noted."""
    hash_so_far: Any = None
    _waiting: asyncio.Timeout | None = None
    _waiting_since: float = 0.0
    _free: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def size(self) -> int | None:
        return self.agreement.size

    @property
    def parts(self) -> tuple[UUID, ...]:
        return self.agreement.parts

    @property
    def joined(self) -> bool:
        return self.agreement.joined

    @contextlib.contextmanager
    def alone(self, generation: int) -> Iterator[None]:
        """Raises Conflict while another request works on it, and keeps others away. Never waits. `generation` is the
        element's as the request begins: what it writes is acknowledged in that one only."""
        if self.busy:
            raise in_use()
        self._free.clear()
        self.busy, self.generation = True, generation
        self.turns += 1
        try:
            yield
        finally:
            self.busy = False
            self._free.set()

    async def heard(self, source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """An append's body, up to where `free_of_the_dead` ends it."""
        loop = asyncio.get_running_loop()
        while True:
            ended = False
            self._waiting_since = loop.time()
            try:
                async with asyncio.timeout(None) as self._waiting:
                    chunk = await anext(source, None)
            except TimeoutError:
                ended = self._waiting is not None and self._waiting.expired()
                if not ended:
                    raise
            finally:
                self._waiting = None
            if ended or chunk is None:
                return
            yield chunk

    async def free_of_the_dead(self) -> None:
        """Ends an append that waits for a body which has been silent for long: its client most likely lost its connection
        and is the one that asks now. What came of it is kept. One whose bytes still come is left alone, so that two
        clients cannot end each other for ever."""
        waiting, now = self._waiting, asyncio.get_running_loop().time()
        if waiting is not None and now - self._waiting_since >= SILENT_SECONDS:
            waiting.reschedule(now)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_END_SECONDS):
                    await self._free.wait()

    def check_joined(self) -> None:
        """Raises Conflict for what is half a concatenation: its bytes are nobody's to go on from."""
        if not self.joined:
            raise Conflict("A concatenation into this upload was cut short: repeat it, or abort the upload.")


def in_use() -> Conflict:
    return Conflict("Another request is working on this upload.", headers={"Retry-After": "1"})


def no_upload(upload_id: UUID | None = None) -> NotFound:
    details = None if upload_id is None else {"parts": f"there is no upload {upload_id}"}
    return NotFound("There is no such upload.", details=details)
