"""One resumable upload, as it is remembered between requests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from artstore_core.errors import Conflict, NotFound

from storage_element.store.agreement import Agreement
from storage_element.store.capacity import Hold


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
        self.busy, self.generation = True, generation
        self.turns += 1
        try:
            yield
        finally:
            self.busy = False

    def check_joined(self) -> None:
        """Raises Conflict for what is half a concatenation: its bytes are nobody's to go on from."""
        if not self.joined:
            raise Conflict("A concatenation into this upload was cut short: repeat it, or abort the upload.")


def in_use() -> Conflict:
    return Conflict("Another request is working on this upload.", headers={"Retry-After": "1"})


def no_upload(upload_id: UUID | None = None) -> NotFound:
    details = None if upload_id is None else {"parts": f"there is no upload {upload_id}"}
    return NotFound("There is no such upload.", details=details)
