"""What outlives a killed client: the ids of a file's uploads, in one small file. How far they are is asked of the server.

One file for each upload under way, named by a hash of what is uploaded and where to, mode 0600 in a directory of mode
0700: JSON with `version`, `path`, `size`, `modified_ns`, `part_bytes`, `nonce` (from which Idempotency-Keys are made),
`joining` (whether that was asked for), `saved_at` (seconds since 1970) and `parts` ([{`id`, `generation`}]). It is written
beside and renamed over. Beside it lies an empty `.lock`, which whoever uses the state holds locked (flock), and which the
system lets go of when he is killed.

Plain code, run in worker threads.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from artstore_client.errors import AlreadyUploading
from artstore_client.source import Fingerprint

_VERSION = 1
_KEPT_SECONDS = 30 * 24 * 3600.0
"""ArtStore throws away an unfinished upload that received nothing for a day, or for what its operator set."""


@dataclass(slots=True)
class PartState:
    """`id` of the upload, once there is one. `generation` tells begun anew from asked for twice."""

    id: str | None = None
    generation: int = 0

    @property
    def upload_id(self) -> UUID | None:
        return UUID(self.id) if self.id else None


@dataclass(slots=True)
class State:
    """One upload's memory. Without a `path` it is kept in this process only."""

    fingerprint: Fingerprint | None
    part_bytes: int
    parts: list[PartState]
    path: Path | None = None
    source: str = ""
    joining: bool = False
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    _saving: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    def key(self, number: int) -> str:
        """The Idempotency-Key by which this part's upload is begun, once."""
        return f"{self.nonce}-{number}-{self.parts[number].generation}"

    def save(self) -> None:
        with self._saving:  # parts that begin at the same time would rename each other's file away
            self._save()

    def _save(self) -> None:
        if self.path is None or self.fingerprint is None:
            return
        content = {
            "version": _VERSION,
            "path": self.source,
            "size": self.fingerprint.size,
            "modified_ns": self.fingerprint.modified_ns,
            "part_bytes": self.part_bytes,
            "nonce": self.nonce,
            "joining": self.joining,
            "saved_at": time.time(),
            "parts": [asdict(part) for part in self.parts],
        }
        temporary = self.path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0), 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)

    def remove(self) -> None:
        if self.path is not None:
            self.path.unlink(missing_ok=True)
            self.path.with_suffix(".new").unlink(missing_ok=True)  # where there was no room for all of it


def forgets(where: Path | None, error: OSError) -> str:
    """For people: there is no room for a memory, or no place."""
    return f"an upload that is killed will begin anew: {where}: {error.strerror}"


def named(*what: str) -> str:
    """A file name that is the same for the same upload, and tells nothing of it."""
    return hashlib.sha256("\0".join(what).encode("utf-8", "surrogateescape")).hexdigest()[:40]


@contextlib.contextmanager
def locked(directory: Path, name: str) -> Iterator[Path]:
    """The state's path, ours alone meanwhile. Raises AlreadyUploading, and OSError where no directory can be made."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = directory / f"{name}.lock"
    descriptor = _taken(lock)
    try:
        yield directory / f"{name}.json"
    finally:
        with contextlib.suppress(OSError):
            lock.unlink()  # while it is held: who waits for nothing finds it gone, and makes another
        os.close(descriptor)


def load(path: Path) -> State | None:
    """What a killed upload left; None where there is nothing, or nothing that can be read."""
    try:
        content: Any = json.loads(path.read_text("utf-8"))
        if content["version"] != _VERSION:
            return None
        parts = [PartState(_id(part["id"]), int(part["generation"])) for part in content["parts"]]
        fingerprint = Fingerprint(int(content["size"]), int(content["modified_ns"]))
        return State(
            fingerprint,
            int(content["part_bytes"]),
            parts,
            path,
            source=str(content["path"]),
            joining=content["joining"] is True and all(part.id for part in parts),
            nonce=str(content["nonce"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def sweep(directory: Path, now: float) -> None:
    """Removes what nobody came back for: the server has long forgotten it, too."""
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        old = [entry.name for entry in entries if now - entry.stat(follow_symlinks=False).st_mtime > _KEPT_SECONDS]
    for name in {Path(name).stem for name in old}:
        with contextlib.suppress(AlreadyUploading, OSError), locked(directory, name) as path:
            path.unlink(missing_ok=True)
            path.with_suffix(".new").unlink(missing_ok=True)


def _id(value: Any) -> str | None:
    return None if value is None else str(UUID(value))


def _taken(lock: Path) -> int:
    """The lock file, locked. One that was removed between opening and locking protects nothing, and is opened anew."""
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            _lock(descriptor)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), lock.stat()):
                    return descriptor
        except (BlockingIOError, PermissionError) as error:
            os.close(descriptor)
            raise AlreadyUploading("this file is being uploaded already") from error
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
