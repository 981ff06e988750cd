"""What a decoder's process may do: so much memory, time and disk, no network, nothing beyond its parent's life."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from typing import Final

from render_service.decoders.contract import Limits

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38
_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000
_OPEN_FILES: Final = 256


def confine(limits: Limits) -> None:
    """Of this process and all that it starts. To be called before threads are.

    Memory is what the process may write to (RLIMIT_DATA): address space alone costs nothing, and libraries reserve a lot of it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() == 1:
        os._exit(1)  # the parent died before it could be listened for
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    cut_network(libc)
    _limit(resource.RLIMIT_DATA, limits.memory_bytes)
    # The kernel says SIGXCPU at the first and kills at the second: only the first says why, and `allow_pages` can raise it.
    _limit(resource.RLIMIT_CPU, limits.cpu_seconds, limits.of_pages(limits.pages).cpu_seconds + 5)
    _limit(resource.RLIMIT_FSIZE, limits.file_bytes)
    _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _limit(resource.RLIMIT_CORE, 0)


def allow_pages(limits: Limits, pages: int) -> None:
    """More time, for a document of so many: what is enough for a picture is not for a book."""
    _limit(resource.RLIMIT_CPU, limits.of_pages(pages).cpu_seconds, limits.of_pages(limits.pages).cpu_seconds + 5)


def cut_network(libc: ctypes.CDLL) -> bool:
    """An empty network of its own. False where the system does not let us (user namespaces are off in some containers):
    the formats' own settings still refuse what is not in the file."""
    return any(libc.unshare(flags) == 0 for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))


def _limit(what: int, most: int, hardest: int | None = None) -> None:
    _, hard = resource.getrlimit(what)
    ceiling = most if hardest is None else hardest
    if hard != resource.RLIM_INFINITY:
        ceiling = min(ceiling, hard)
    resource.setrlimit(what, (min(most, ceiling), ceiling))
