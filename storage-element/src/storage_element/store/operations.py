"""What operators do with an element as a whole: change its mode, ask for a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from artstore_core.errors import ConfirmationRequired, InvalidTransition
from artstore_core.files import Attributes
from artstore_core.modes import Mode

from storage_element.store.changes import THE_ELEMENT, Change, ChangeKind
from storage_element.store.element import Element
from storage_element.store.ports import Clock
from storage_element.store.records import mode_record


class Tell(Protocol):
    """Notes in the log what was done, by whom and when."""

    def __call__(self, event: str, **facts: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class Transition:
    previous_mode: Mode
    mode: Mode
    changed_at: datetime
    changed_by: str


class Operations:
    """Use cases on the element."""

    def __init__(self, element: Element, now: Clock, tell: Tell) -> None:
        self._element, self._now, self._tell = element, now, tell

    async def change_mode(self, target: Mode, *, confirm: bool, by: str) -> Transition:
        """In effect, and safe from a power cut, when this returns; requests that began before it may still finish.

        Raises InvalidTransition, ConfirmationRequired (requirement S3).
        """
        await self._element.probe()
        now = self._now()
        previous = self._element.mode

        def decide(_there: Attributes | None) -> Change:
            nonlocal previous
            previous = self._element.mode
            check_transition(previous, target, confirm=confirm)
            return Change(ChangeKind.MODE, THE_ELEMENT, mode_record(target, by, now))

        await self._element.submit(THE_ELEMENT, decide)
        self._tell("mode changed", previous=previous.value, mode=target.value, by=by, at=now.isoformat())
        return Transition(previous, target, now, by)

    async def checkpoint(self) -> int:
        """The last change that the directory alone holds. Raises StorageFull, StorageUnavailable."""
        return await self._element.checkpoint()


def check_transition(current: Mode, target: Mode, *, confirm: bool) -> None:
    """`rw` → `ro` → `ar`, nothing skipped; back from `ro` to `rw` only when confirmed; nothing else.

    Raises InvalidTransition, ConfirmationRequired.
    """
    if (current, target) == (Mode.RO, Mode.RW):
        if not confirm:
            raise ConfirmationRequired("Going back to rw must be confirmed.", details={"confirm": "must be true"})
    elif (current, target) not in ((Mode.RW, Mode.RO), (Mode.RO, Mode.AR)):
        raise InvalidTransition(f"The mode cannot go from {current} to {target}.")
