"""What libvips says went wrong, in words for people: the file's fault, or that of the disk that is written to."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pyvips

from render_service.decoders.contract import DecodeFailed, Limits, too_large

_TRUNCATED: Final = ("truncated", "premature end", "unexpected end", "end of stream", "incomplete", "read error", "eof")
_OUT_OF_MEMORY: Final = ("out of memory", "unable to malloc", "cannot allocate", "failed to allocate")
_OF_THE_DISK: Final = tuple(os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS))
_TOO_LARGE: Final = os.strerror(errno.EFBIG).lower()


@contextmanager
def explained(limits: Limits) -> Iterator[None]:
    """Raises DecodeFailed for what libvips raises."""
    try:
        yield
    except pyvips.Error as error:
        raise _understood(f"{error.message} {error.detail}".lower(), limits) from error


def _understood(said: str, limits: Limits) -> DecodeFailed:
    for sign in _OF_THE_DISK:
        if sign.lower() in said:
            return DecodeFailed(f"could not be written: {sign}", permanent=False)
    if _TOO_LARGE in said:
        return too_large(limits)
    if any(sign in said for sign in _OUT_OF_MEMORY):
        return DecodeFailed(f"takes more than {limits.memory_bytes // 2**20} MiB of memory", permanent=True)
    if "not a known file format" in said or "not in a known format" in said:
        return DecodeFailed("not a picture of a kind that is known here", permanent=True)
    if any(sign in said for sign in _TRUNCATED):
        return DecodeFailed("truncated image", permanent=True)
    return DecodeFailed("damaged image", permanent=True)
