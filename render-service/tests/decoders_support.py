"""What the decoders' tests share: a sample made, and decoded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pyvips
from render_service.decoders.contract import Decoded, Limits, MediaKind, Output, Wanted
from render_service.decoders.run import decode

MIB = 1024 * 1024


@dataclass
class Told:
    """What was told while it went on."""

    steps: list[tuple[int, int]] = field(default_factory=list)
    ready: list[Output] = field(default_factory=list)

    def step(self, done: int, total: int) -> None:
        self.steps.append((done, total))


async def decoded(
    source: Path, kind: MediaKind, into: Path, wanted: Wanted | None = None, limits: Limits | None = None
) -> tuple[Decoded, Told]:
    await asyncio.to_thread(into.mkdir, exist_ok=True)
    told = Told()
    found = await decode(source, kind, wanted or Wanted(), into, limits or Limits(), told.step, told.ready.append)
    return found, told


def made(directory: Path, name: str, make: Callable[[Path], None]) -> Path:
    path = directory / name
    make(path)
    return path


def near(image: pyvips.Image, x: float, y: float, colour: tuple[int, ...], tolerance: int = 14) -> None:
    """At a place given as parts of width and height."""
    found = image(int(x * image.width), int(y * image.height))[:3]
    assert all(abs(one - other) <= tolerance for one, other in zip(found, colour, strict=True)), (found, colour)


def opened(output: Output) -> pyvips.Image:
    return pyvips.Image.new_from_file(str(output.path))
