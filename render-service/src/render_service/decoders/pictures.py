"""Pictures in the sizes that are asked for, encoded beside the thread that decodes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pyvips

from render_service.decoders.contract import Output, Ready, RenditionKind, Wanted

THUMB_WIDTH: Final = 256
WEBP: Final = "image/webp"
PNG: Final = "image/png"
LONGEST_WEBP: Final = 16_383
"""Pixels of a side (the format's own limit)."""
_QUALITY: Final = 80
_EFFORT: Final = 1
"""Of 0 to 6. A page takes a third of the time that effort 4 takes, and a few per cent more bytes."""
_PIXEL_BYTES: Final = 4
_MOST_HELD: Final = 128 * 1024 * 1024
"""Bytes. Five pages as they usually are, or one of a roll."""
_SUFFIXES: Final = {WEBP: "webp", PNG: "png"}


def own_widths(wanted: Sequence[int], width: int) -> list[int]:
    """Of a picture so wide: none is enlarged, and one smaller than all of them comes as it is. Widest first."""
    return sorted({min(one, width) for one in wanted}, reverse=True)


def save(image: pyvips.Image, path: Path, media_type: str) -> None:
    if media_type == PNG:
        image.pngsave(str(path), compression=3, keep=pyvips.ForeignKeep.ICC)
    else:
        image.webpsave(str(path), Q=_QUALITY, effort=_EFFORT, keep=pyvips.ForeignKeep.ICC)


def narrowed(image: pyvips.Image, width: int) -> pyvips.Image:
    """To that width; a height that no WebP could have is cut to what it can."""
    if width < image.width:
        # In memory: a chain of these would be worked out from its beginning for every part of the last one.
        image = image.thumbnail_image(width, height=LONGEST_WEBP, size=pyvips.Size.DOWN).copy_memory()
    return image


class Pictures:
    """Writes pictures into a directory in threads of its own; tells of each one that is whole, in their order.

    `add` waits while as many as there are threads are still to be written, and `room` while they are too large together: what
    is decoded takes memory until then.
    """

    def __init__(self, into: Path, wanted: Wanted, ready: Ready, threads: int) -> None:
        self._into, self._wanted, self._ready = into, wanted, ready
        self._pool = ThreadPoolExecutor(threads)
        self._most = threads + 1
        self._under_way: deque[tuple[Future[list[Output]], Callable[[], None], int]] = deque()
        self._held = 0
        self.made: list[Output] = []

    def add(self, image: pyvips.Image, kind: RenditionKind, page: int | None = None, *, thumb: bool = False) -> None:
        """In every width that is wanted. Raises what an earlier one failed with."""
        self.submit(lambda: self._written(image, kind, page, thumb), size=image.width * image.height * _PIXEL_BYTES)

    def room(self, pixels: int) -> None:
        """Waits until so many more can be held; to be called before they are drawn."""
        while self._under_way and self._held + pixels * _PIXEL_BYTES > _MOST_HELD:
            self._take()

    def submit(
        self, work: Callable[[], list[Output]], done: Callable[[], None] = lambda: None, *, size: int = 0
    ) -> None:
        while len(self._under_way) >= self._most:
            self._take()
        self._held += size
        self._under_way.append((self._pool.submit(work), done, size))

    def whole(self, done: Callable[[], None]) -> None:
        """Calls it once all that was added before is whole."""
        self.submit(list, done)

    def _take(self) -> None:
        future, done, size = self._under_way.popleft()
        found = future.result()
        self._held -= size
        for output in found:
            self.made.append(output)
            self._ready(output)
        done()

    def _written(self, image: pyvips.Image, kind: RenditionKind, page: int | None, thumb: bool) -> list[Output]:
        name = kind.value if page is None else f"{kind.value}-{page:05d}"
        outputs = []
        for width in own_widths(self._wanted.widths, image.width):
            # From the next wider one: half the pixels to read, and the same to look at.
            image = narrowed(image, width)
            outputs.append(self._one(image, f"{name}-{width}", kind, self._wanted.media_type, page))
        if thumb:
            outputs.append(self._one(narrowed(image, THUMB_WIDTH), "thumb", RenditionKind.THUMB, WEBP, None))
        return outputs

    def _one(self, image: pyvips.Image, name: str, kind: RenditionKind, media_type: str, page: int | None) -> Output:
        path = self._into / f"{name}.{_SUFFIXES[media_type]}"
        save(image, path, media_type)
        return Output(kind, path, media_type, image.width, image.height, page)

    def __enter__(self) -> Self:
        # libvips keeps the last hundred results with all that they were made of, for who asks again: nobody does here.
        pyvips.cache_set_max(0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            while kind is None and self._under_way:
                self._take()
        finally:
            self._pool.shutdown(cancel_futures=True)
