"""What is told of the element's work as it goes on, for those who measure it. Called in any thread; must not block."""

from __future__ import annotations

from typing import Final, Protocol


class Observer(Protocol):
    def group(self, changes: int, seconds: float) -> None:
        """So many changes became durable with one write and one flush, which took that long."""
        ...

    def failed(self) -> None:
        """A group of changes did not become durable."""
        ...

    def checkpoint(self) -> None:
        """A checkpoint was made."""
        ...


class _Nobody:
    def group(self, changes: int, seconds: float) -> None: ...

    def failed(self) -> None: ...

    def checkpoint(self) -> None: ...


NOBODY: Final[Observer] = _Nobody()
