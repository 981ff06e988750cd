"""The element without some of its flushes: `python -m power_cut.weakened fsync|log-fsync|…`.

What a power cut must not be able to hide: an element that forgets one kind of flush loses files, and the harness that
does not see them would see nothing at all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from artstore_kit.commands import prepare
from artstore_kit.server import serve
from storage_element.config import Settings
from storage_element.disk.filesystem import FileSystem, RealFileSystem
from storage_element.main import SERVICE, build


class WithoutFileFlush(RealFileSystem):
    """Says that a file's bytes are on the disk, and does nothing: for all files, or for those in one folder."""

    def __init__(self, folder: str | None = None) -> None:
        self._folder = folder

    def fsync(self, handle: int) -> None:
        if not self._is_left_out(handle):
            super().fsync(handle)

    def fdatasync(self, handle: int) -> None:
        if not self._is_left_out(handle):
            super().fdatasync(handle)

    def _is_left_out(self, handle: int) -> bool:
        return self._folder is None or Path(f"/proc/self/fd/{handle}").readlink().parent.name == self._folder


class WithoutDirectoryFlush(RealFileSystem):
    """Says that a directory's entries are on the disk, and does nothing."""

    def fsync_dir(self, path: Path) -> None:
        """Nothing."""


WEAKENED: Final[dict[str, Callable[[], FileSystem]]] = {
    "fsync": WithoutFileFlush,
    "log-fsync": lambda: WithoutFileFlush("wal"),
    "staging-fsync": lambda: WithoutFileFlush("staging"),
    "directory-fsync": WithoutDirectoryFlush,
}
_KNOWN: Final = {"fsync", "fdatasync", "fsync_dir", "sync_all"}
"""Flushes that the classes above know of. `sync_all` is left as it is: a checkpoint covers what is older than itself."""


def flushes_unknown_here() -> set[str]:
    """Flushes of the element's filesystem that this module would have to weaken and does not know."""
    return {name for name in dir(FileSystem) if "sync" in name} - _KNOWN


def main() -> int:
    if unknown := flushes_unknown_here():
        sys.stderr.write(f"power_cut.weakened does not know these flushes: {', '.join(sorted(unknown))}\n")
        return 2
    settings = prepare(Settings, SERVICE)
    app = build(settings, filesystem=WEAKENED[sys.argv[1]]())
    serve(app, settings, ssl_certfile=settings.tls_cert_file, ssl_keyfile=settings.tls_key_file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
