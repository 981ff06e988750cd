"""What a decoder's process finds in its environment: what programs need to run, and none of the worker's settings.

The worker's own environment holds the database's password and the tickets' master key. LibreOffice has been made to show
environment variables by a document before (CVE-2024-12426: `vnd.sun.star.expand:`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from render_service.decoders.contract import Limits

_KEPT: Final = (
    "PATH", "HOME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME",
    "PYTHONDONTWRITEBYTECODE", "FONTCONFIG_FILE", "FONTCONFIG_PATH", "XDG_DATA_DIRS", "XDG_CACHE_HOME",
)  # fmt: skip

_LEAN: Final = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": str(8 * 1024 * 1024)}
"""Of glibc: what a picture took goes back to the system with it, instead of lying in an arena of each thread."""


def surroundings(aside: Path, limits: Limits) -> dict[str, str]:
    """`aside`: a directory that goes with the conversion; what is put aside there goes with it, also after a kill.

    By themselves libvips and LibreOffice take a thread a processor: on a large machine that is more memory than is given.
    """
    threads = str(limits.threads_here)
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | _LEAN | {"TMPDIR": str(aside), "VIPS_CONCURRENCY": threads, "MAX_CONCURRENCY": threads}
