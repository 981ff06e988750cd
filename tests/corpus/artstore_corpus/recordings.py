"""Video and sound, by PyAV."""

from __future__ import annotations

import math
import struct
from array import array
from fractions import Fraction
from pathlib import Path

import av

_RATE = 25
_SOUND = 44_100
_ONE = 1 << 16


def mp4(path: Path) -> None:
    _video(path, "libx264")


def portrait(path: Path) -> None:
    """As a telephone records it that is held upright: lying, and a matrix that turns it (ISO/IEC 14496-12 §8.3.2)."""
    mp4(path)
    content = path.read_bytes()
    upright = struct.pack(">9i", _ONE, 0, 0, 0, _ONE, 0, 0, 0, 1 << 30)
    place = content.index(upright, content.index(b"tkhd"))
    turned = struct.pack(">9i", 0, _ONE, 0, -_ONE, 0, 0, 180 * _ONE, 0, 1 << 30)
    path.write_bytes(content[:place] + turned + content[place + len(turned) :])


def webm(path: Path) -> None:
    _video(path, "libvpx")


def mp3(path: Path) -> None:
    _tone(path, "libmp3lame", "s16p")


def flac(path: Path) -> None:
    _tone(path, "flac", "s16")


def sound_alone(path: Path) -> None:
    """In a container that usually holds a video."""
    _tone(path, "aac", "fltp")


def silence(path: Path) -> None:
    _tone(path, "pcm_s16le", "s16", loudness=0)


def cut(path: Path) -> None:
    """Without its index, which MP4 has at the end."""
    mp4(path)
    path.write_bytes(path.read_bytes()[:3000])


def _video(path: Path, codec: str, seconds: int = 4) -> None:
    """Black for its first tenth, then red."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=_RATE)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for number in range(seconds * _RATE):
            colour = (0, 0, 0) if number < seconds * _RATE // 20 else (220, 30, 30)
            container.mux(stream.encode(_frame(colour)))
        container.mux(stream.encode(None))


def _frame(colour: tuple[int, int, int]) -> av.VideoFrame:
    frame = av.VideoFrame(320, 180, "rgb24")
    plane = frame.planes[0]
    line = bytes(colour) * 320
    plane.update(line.ljust(plane.line_size, b"\0") * 180)
    return frame


def _tone(path: Path, codec: str, sample_format: str, *, loudness: int = 20_000, seconds: int = 3) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=_SOUND, layout="mono")
        assert isinstance(stream, av.AudioStream)
        resampler = av.AudioResampler(format=sample_format, layout="mono", rate=_SOUND)
        for start in range(0, seconds * _SOUND, 1024):
            wave = array(
                "h", [round(loudness * math.sin(n / 16) * (n % 20_000) / 20_000) for n in range(start, start + 1024)]
            )
            frame = av.AudioFrame("s16", "mono", 1024)
            frame.planes[0].update(wave.tobytes())
            frame.sample_rate, frame.pts, frame.time_base = _SOUND, start, Fraction(1, _SOUND)
            for one in resampler.resample(frame):
                container.mux(stream.encode(one))
        container.mux(stream.encode(None))
