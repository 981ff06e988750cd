"""A video's poster: one picture that stands for it (requirement N4)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import av
import pyvips
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from render_service.decoders.audio import decode_audio
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

_WHERE: Final = 0.1
"""Of its length: the first frames are black or a title."""
_LATEST: Final = 60.0
_MOST_FRAMES: Final = 300
"""Decoded in search of one: from a key frame to the place, where key frames are far apart."""


def decode_video(source: Path, wanted: Wanted, into: Path, limits: Limits, step: Progress, ready: Ready) -> Decoded:
    with opened(source) as container:
        stream = known(container.streams.video)
        if stream is None and known(container.streams.audio) is not None:
            # A container of videos may hold sound alone: what a browser records of a voice is `video/webm` by its bytes.
            return decode_audio(source, wanted, into, limits, step, ready)
        if stream is None:
            raise DecodeFailed("a video without a picture that can be read here", permanent=True)
        technical = described(container)
        if stream.codec_context.width * stream.codec_context.height > limits.pixels:
            raise DecodeFailed("has more pixels than are taken", permanent=True)
        stream.thread_type, stream.codec_context.thread_count = "AUTO", limits.threads_here
        poster = _poster(container, stream)
        image = _picture(poster, stream)
    if round(poster.rotation) % 180:
        technical |= {"width": technical["height"], "height": technical["width"]}
    with explained(limits), Pictures(into, wanted, ready, limits.threads_here) as pictures:
        pictures.add(image, RenditionKind.PREVIEW, thumb=True)
    step(1, 1)
    return Decoded(pictures.made, technical)


def _poster(container: InputContainer, stream: VideoStream) -> VideoFrame:
    seconds = min(_WHERE * (container.duration or 0) / av.time_base, _LATEST)
    try:
        container.seek(int(seconds * av.time_base))
        return _frame_at(container, stream, seconds)
    except (av.error.FFmpegError, DecodeFailed):
        # Some can only be read from their beginning.
        container.seek(0)
        return _frame_at(container, stream, 0)


def _frame_at(container: InputContainer, stream: VideoStream, seconds: float) -> VideoFrame:
    frame = None
    for count, frame in enumerate(container.decode(stream), 1):
        if (frame.time or 0) >= seconds or count >= _MOST_FRAMES:
            break
    if frame is None:
        raise DecodeFailed("a video of which no picture can be read", permanent=True)
    return frame


def _picture(frame: VideoFrame, stream: VideoStream) -> pyvips.Image:
    """As a player shows it: turned as the camera was held, and in its own shape."""
    plane = frame.reformat(format="rgb24").planes[0]
    padded = pyvips.Image.new_from_memory(bytes(plane), plane.line_size // 3, frame.height, 3, "uchar")
    image = padded.crop(0, 0, frame.width, frame.height).copy(interpretation="srgb")
    ratio = stream.sample_aspect_ratio
    if ratio and ratio != 1 and 0.1 < ratio < 10:
        image = image.resize(float(ratio), vscale=1.0)
    return image.rot(_TURNS.get(round(-frame.rotation) % 360, pyvips.Angle.D0)).copy_memory()


_TURNS: Final = {90: pyvips.Angle.D90, 180: pyvips.Angle.D180, 270: pyvips.Angle.D270}
