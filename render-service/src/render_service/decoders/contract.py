"""What is asked of a decoder, and what it answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any


class MediaKind(StrEnum):
    """The closed list (requirement N7): what is in none of these has no preview."""

    PDF = "pdf"
    IMAGE = "image"
    OFFICE = "office"
    VIDEO = "video"
    AUDIO = "audio"


class RenditionKind(StrEnum):
    """As clients see it (requirement N5)."""

    THUMB = "thumb"
    PREVIEW = "preview"
    PAGE = "page"
    TILE = "tile"
    WEBP = "webp"


@dataclass(frozen=True, slots=True)
class Wanted:
    """`widths` in pixels, never above a picture's own; `pages`, counted from 1, or all; `tiles`: a deep zoom pyramid of a
    picture as well. `media_type` of pages and previews: WebP, or PNG on request."""

    widths: Sequence[int] = (512, 1024, 2048)
    pages: Sequence[int] | None = None
    tiles: bool = True
    media_type: str = "image/webp"


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one decoding. `seconds` on the clock; `page_seconds` more of both times for each page of a document; `pixels` of one
    picture; `file_bytes` of each file that is written; `threads`: each takes memory of its own, so not as many as a large
    machine has processors."""

    memory_bytes: int = 512 * 1024 * 1024
    cpu_seconds: int = 120
    seconds: float = 180
    page_seconds: int = 2
    pixels: int = 1_000_000_000
    pages: int = 2000
    file_bytes: int = 2 * 1024**3
    threads: int = 4

    def of_pages(self, pages: int) -> Limits:
        """Those of a document of so many; never more than those of the longest that is taken."""
        more = self.page_seconds * min(pages, self.pages)
        return replace(self, seconds=self.seconds + more, cpu_seconds=self.cpu_seconds + more)

    @property
    def threads_here(self) -> int:
        return min(self.threads, os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class Output:
    """One file that a decoder wrote. `page` counts from 1. Of tiles, `path` is the packed pyramid and `details` its layout."""

    kind: RenditionKind
    path: Path
    media_type: str
    width: int
    height: int
    page: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decoded:
    """`technical`: what is known of the file itself: pages, width, height, duration, codec, colour profile."""

    outputs: Sequence[Output]
    technical: Mapping[str, Any]


Progress = Callable[[int, int], None]
"""So many pages of so many are done."""

Ready = Callable[[Output], None]
"""A picture that is whole, and not written to again, while others are still to come."""


class DecodeFailed(Exception):
    """`reason` is for people (`password-protected PDF`); `permanent`: another try would end the same way."""

    def __init__(self, reason: str, *, permanent: bool) -> None:
        super().__init__(reason)
        self.reason, self.permanent = reason, permanent


def too_large(limits: Limits) -> DecodeFailed:
    return DecodeFailed(f"one of its pictures takes more than {limits.file_bytes // 2**20} MiB", permanent=True)
