"""Looking for viruses in a file that nobody can see yet (requirement U5)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from artstore_core.errors import FileTooLarge, Infected, StorageUnavailable
from artstore_kit.logs import get_logger

_log = get_logger(__name__)
_RETRY_AFTER: Final = 10


class Found(StrEnum):
    CLEAN = "clean"
    INFECTED = "infected"
    TOO_LARGE = "too_large"
    """More bytes, or more inside of an archive, than the scanner looks at: nothing is known of the file."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`signature`: the name that the scanner has for what it found."""

    found: Found
    signature: str = ""


class TooLarge(StrEnum):
    """What becomes of a file that is too large for the scanner."""

    REFUSE = "refuse"
    ADMIT = "admit"


class ScannerUnavailable(StorageUnavailable):
    """The scanner is away. Nothing is lost of an upload that can be resumed: it is scanned when its client asks again."""

    def __init__(self) -> None:
        super().__init__(
            "Files cannot be scanned now", retry_after=_RETRY_AFTER, details={"scanner": "does not answer"}
        )


class Scanner(Protocol):
    async def scan(self, pieces: AsyncIterator[bytes]) -> Verdict:
        """Reads the pieces only as fast as it takes them. Raises ScannerUnavailable, and what the pieces raise."""
        ...


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan and what it came to, for metrics and the audit log. `verdict`: None where the scanner was away."""

    filename: str
    size: int
    verdict: Verdict | None
    admitted: bool


class Scanning:
    """Decides what a verdict means. `told` hears of every scan, once it is decided; it must not wait for anything."""

    def __init__(self, scanner: Scanner, too_large: TooLarge, told: Callable[[Scan], None]) -> None:
        self._scanner, self._too_large, self._told = scanner, too_large, told

    async def scan(self, filename: str, pieces: AsyncGenerator[bytes, None]) -> None:
        """Returns where the file may come in. Raises Infected, FileTooLarge, ScannerUnavailable, and what the pieces
        raise; closes them."""
        counted = _Counted(pieces)
        try:
            async with aclosing(counted.pieces()) as source:
                verdict = await self._scanner.scan(source)
        except ScannerUnavailable:
            self._told(Scan(filename, counted.size, None, admitted=False))
            raise
        admitted = verdict.found is Found.CLEAN or (
            verdict.found is Found.TOO_LARGE and self._too_large is TooLarge.ADMIT
        )
        self._told(Scan(filename, counted.size, verdict, admitted))
        if admitted:
            return
        _log.warning("file refused by the scanner", found=verdict.found.value, signature=verdict.signature)
        if verdict.found is Found.INFECTED:
            raise Infected("The file is infected", details={"file": f"{verdict.signature} was found in it"})
        raise FileTooLarge("The file is too large to be scanned", details={"file": "is larger than the scanner takes"})


class _Counted:
    """`size`: the bytes that were asked for so far."""

    def __init__(self, pieces: AsyncGenerator[bytes, None]) -> None:
        self._pieces, self.size = pieces, 0

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        async with aclosing(self._pieces) as source:
            async for piece in source:
                self.size += len(piece)
                yield piece
