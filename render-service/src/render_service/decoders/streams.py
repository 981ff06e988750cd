"""Opening what FFmpeg's libraries read (PyAV), and nothing that it names beside itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import av
from av.container import InputContainer
from av.stream import Stream

from render_service.decoders.contract import DecodeFailed

# A play list is a format too, and names other files and hosts: only these, and only from this file.
_FORMATS: Final = "mov,matroska,avi,mpeg,mpegts,mp3,flac,ogg,wav,aac"
_OPTIONS: Final = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}


@contextmanager
def opened(source: Path) -> Iterator[InputContainer]:
    """Raises DecodeFailed, also for what the block meets."""
    try:
        with av.open(str(source), options=_OPTIONS, metadata_errors="replace") as container:
            yield container
    except av.error.InvalidDataError as error:
        raise DecodeFailed("not a recording that can be read, or one that is damaged", permanent=True) from error
    except av.error.MemoryError as error:
        raise MemoryError from error
    except av.error.FFmpegError as error:
        raise DecodeFailed(f"a recording that cannot be read: {error.strerror}", permanent=True) from error


S = TypeVar("S", bound=Stream)


def known(streams: Iterable[S]) -> S | None:
    """The first whose codec is known here: a file may name any."""
    return next((stream for stream in streams if getattr(stream, "codec_context", None) is not None), None)


def described(container: InputContainer) -> dict[str, Any]:
    """What is known of a recording. `duration` in seconds, `bit_rate` in bits a second."""
    found: dict[str, Any] = {"format": container.format.name, "bit_rate": container.bit_rate or None}
    if container.duration is not None:
        found["duration"] = round(container.duration / av.time_base, 3)
    if (stream := known(container.streams.video)) is not None:
        rate = stream.average_rate
        found |= {
            "codec": stream.codec_context.name,
            "width": stream.codec_context.width,
            "height": stream.codec_context.height,
            "frames_per_second": round(float(rate), 3) if rate else None,
        }
    if (sound := known(container.streams.audio)) is not None:
        found |= {
            "audio_codec": sound.codec_context.name,
            "sample_rate": sound.codec_context.sample_rate,
            "channels": sound.codec_context.channels,
        }
    return found
