"""A recording's waveform, drawn (requirement N4)."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import av
import pyvips
from av.audio.stream import AudioStream
from av.container import InputContainer

from render_service.decoders.contract import (
    Decoded,
    DecodeFailed,
    Limits,
    Progress,
    Ready,
    RenditionKind,
    Wanted,
)
from render_service.decoders.failures import explained
from render_service.decoders.pictures import Pictures
from render_service.decoders.streams import described, known, opened

_RATE: Final = 8000
"""Samples a second that are looked at."""
_SLICE: Final = 400
"""Samples of which only the highest and the lowest are kept: a twentieth of a second."""
_LONGEST: Final = 24 * 3600 * _RATE // _SLICE
"""Slices: a day. What is longer is drawn up to there."""
_COLUMNS: Final = 1024
_HEIGHT: Final = 256
_FULL: Final = 32768

Peak = tuple[int, int]


def decode_audio(source: Path, wanted: Wanted, into: Path, limits: Limits, step: Progress, ready: Ready) -> Decoded:
    with opened(source) as container:
        stream = known(container.streams.audio)
        if stream is None:
            raise DecodeFailed("a recording without sound that can be read here", permanent=True)
        technical = described(container)
        peaks = list(_peaks(container, stream))
    if not peaks:
        raise DecodeFailed("a recording of which no sound can be read", permanent=True)
    technical.setdefault("duration", round(len(peaks) * _SLICE / _RATE, 2))
    drawing = _drawing(_columns(peaks))
    image = pyvips.Image.svgload_buffer(drawing, scale=max(wanted.widths) / _COLUMNS).copy_memory()
    with explained(limits), Pictures(into, wanted, ready, limits.threads_here) as pictures:
        pictures.add(image, RenditionKind.PREVIEW, thumb=True)
    step(1, 1)
    return Decoded(pictures.made, technical)


def _peaks(container: InputContainer, stream: AudioStream) -> Iterator[Peak]:
    """The lowest and the highest of each slice."""
    samples, count = array("h"), 0
    for piece in _mono(container, stream):
        samples.frombytes(piece)
        whole = len(samples) - len(samples) % _SLICE
        for start in range(0, whole, _SLICE):
            part = samples[start : start + _SLICE]
            yield min(part), max(part)
            count += 1
            if count >= _LONGEST:
                return
        samples = samples[whole:]
    if samples:
        yield min(samples), max(samples)


def _mono(container: InputContainer, stream: AudioStream) -> Iterator[bytes]:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=_RATE)
    for frame in container.decode(stream):
        for resampled in resampler.resample(frame):
            yield bytes(resampled.planes[0])[: resampled.samples * 2]
    for resampled in resampler.resample(None):
        yield bytes(resampled.planes[0])[: resampled.samples * 2]


def _columns(peaks: Sequence[Peak]) -> list[Peak]:
    """One for each column of the drawing."""
    found = []
    for column in range(_COLUMNS):
        start = column * len(peaks) // _COLUMNS
        part = peaks[start : max(start + 1, (column + 1) * len(peaks) // _COLUMNS)]
        found.append((min(low for low, _ in part), max(high for _, high in part)))
    return found


def _drawing(columns: Sequence[Peak]) -> bytes:
    """As SVG: sharp at every width. At least a line where it is silent."""

    def height(sample: int) -> float:
        return _HEIGHT / 2 - sample / _FULL * (_HEIGHT / 2 - 4)

    bars = "".join(
        f"M{x + 0.5} {height(high) - 0.5:.1f}V{height(low) + 0.5:.1f}" for x, (low, high) in enumerate(columns)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_COLUMNS}" height="{_HEIGHT}">'
        f'<rect width="100%" height="100%" fill="#fff"/><path d="{bars}" stroke="#3b6ea8" stroke-width="1"/></svg>'
    ).encode()
