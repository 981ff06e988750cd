"""How files are uploaded: in one request, as one stream, or as parts side by side; and for how long a bad line is borne."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from artstore_client.errors import ConfigurationError

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class UploadPolicy:
    """Sizes in bytes.

    Below `resumable_from` a file is one request, below `parts_from` one stream that can be gone on with, else parts, of
    which `parallel` are sent at a time. No request brings more than `chunk_bytes`: that is the most that a cut costs.
    What fails without having brought anything forward is tried `attempts` times; what says that the way there is broken
    or the server busy, until nothing has moved for `offline_seconds` as well. `state_dir` is where it stands written how
    far an upload is (None: the user's cache directory).
    """

    resumable_from: int = 16 * MIB
    parts_from: int = 64 * MIB
    chunk_bytes: int = 32 * MIB
    parallel: int = 6
    attempts: int = 5
    offline_seconds: float = 60.0
    state_dir: Path | None = None

    def __post_init__(self) -> None:
        if min(self.parallel, self.attempts, self.chunk_bytes) < 1 or self.offline_seconds < 0:
            raise ConfigurationError(
                "an upload needs a part, an attempt and a chunk at the least, and no negative times"
            )

    def states(self, environ: Mapping[str, str] | None = None) -> Path:
        """The directory (XDG Base Directory: a relative XDG_CACHE_HOME is ignored)."""
        if self.state_dir is not None:
            return self.state_dir
        env = os.environ if environ is None else environ
        base = Path(env.get("XDG_CACHE_HOME") or "")
        if not base.is_absolute():
            base = (Path(env["HOME"]) if env.get("HOME") else Path.home()) / ".cache"
        return base / "artstore" / "uploads"
