"""What is measured: ArtStore or a peer, as its client meets it behind an Envoy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.storage_load import Run

HOT_FILES = 100
"""So few that whoever keeps anything in memory keeps them."""


@dataclass(frozen=True)
class Stored:
    """10 KiB files that are there: a file with one id a line, and how many."""

    ids: Path
    count: int


class Target(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def url(self) -> str: ...

    @property
    def ways(self) -> tuple[str, ...]:
        """How a big file may be sent."""
        ...

    def processes(self) -> Mapping[str, int]:
        """By name. Their children count with them."""
        ...

    def big_up(self, way: str, source: Path, /) -> tuple[Run, str]:
        """Also what the file is called now."""
        ...

    def big_down(self, stored: str, size: int, streams: int) -> Run:
        """All of it in each stream; `size` of one."""
        ...

    def remove(self, stored: str) -> None: ...

    def small_up(self) -> bytes:
        """A request that uploads 10 KiB, with ID in it."""
        ...

    def small_down(self) -> bytes:
        """A request that downloads the file ID."""
        ...

    def hot(self) -> Stored:
        """Puts HOT_FILES there."""
        ...


def request(method: str, path: str, host: str, headers: Mapping[str, str], body: bytes = b"", length: int = 0) -> bytes:
    """HTTP/1.1. `length`: of the body when it is sent, where that is not how long it is here."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers.items())]
    if body:
        lines.append(f"Content-Length: {length or len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
