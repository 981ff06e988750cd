"""Whose disk is this, and what mode is it in? The marker and the mode (requirements S3, S13)."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from artstore_core.errors import Conflict, StorageUnavailable
from artstore_core.modes import Mode

from storage_element.disk.durable import Durable
from storage_element.disk.filesystem import FileSystem
from storage_element.disk.layout import Layout, is_temporary
from storage_element.disk.small_files import read_small, replace_durably
from storage_element.store.records import mode_of, mode_record

_SCHEMA_VERSION = 1


class Identity:
    """Reads the marker and the mode. `initialise` and `adopt` alone write the marker."""

    def __init__(self, layout: Layout, filesystem: FileSystem, durable: Durable, storage_id: str) -> None:
        self._layout, self._filesystem, self._durable = layout, filesystem, durable
        self._storage_id = storage_id

    def check(self) -> None:
        """Raises StorageUnavailable unless the root carries this element's marker, read anew each time."""
        owner = self.owner()
        if owner is None:
            raise StorageUnavailable("The storage element's disk is not there.")
        if owner != self._storage_id:
            raise StorageUnavailable("The storage element's disk is another element's.")

    def mode(self) -> Mode:
        """Raises StorageUnavailable when it cannot be read: a guess could allow what is forbidden."""
        try:
            return mode_of(read_small(self._filesystem, self._layout.mode))
        except (OSError, ValueError) as error:
            raise StorageUnavailable("The storage element's mode cannot be read.") from error

    def initialise(self, mode: Mode, now: datetime) -> bool:
        """Makes an empty directory this element's data root; False when it is that already (its mode stays).

        Raises Conflict for another element's root, and for a directory that holds something else.
        """
        owner = self.owner()
        if owner == self._storage_id:
            return False
        if owner is not None:
            raise Conflict("The data directory belongs to another storage element.")
        root, ours = self._layout.root, {path.name for path in (*self._layout.directories, self._layout.mode)}
        root.mkdir(parents=True, exist_ok=True)
        if strangers := set(self._filesystem.names(root)) - ours - {"lost+found"}:
            raise Conflict(f"The data directory is not empty: {', '.join(sorted(strangers)[:3])}")
        if any(self._holds_anything(path) for path in self._layout.directories):
            raise Conflict("The data directory holds files but no marker: it is a data root that lost it.")
        self._make_root(mode, now)
        return True

    def _holds_anything(self, directory: Path) -> bool:
        """But for what this very call left in staging, had it been killed: the first start clears that."""
        if not self._filesystem.exists(directory):
            return False
        found = self._filesystem.names(directory)
        return any(directory != self._layout.staging or not is_temporary(name) for name in found)

    def _make_root(self, mode: Mode, now: datetime) -> None:
        """The marker comes last: a root that carries one is complete."""
        for directory in self._layout.directories:
            if not self._filesystem.exists(directory):
                self._filesystem.mkdir(directory)
        self._durable.directory(self._layout.root.parent)
        self._write(self._layout.mode, mode_record(mode, None, now))
        self._write_marker(now)

    def _write_marker(self, now: datetime) -> None:
        content = {"schema_version": _SCHEMA_VERSION, "storage_id": self._storage_id, "created_at": now.isoformat()}
        self._write(self._layout.marker, (json.dumps(content, indent=2) + "\n").encode())

    def _write(self, path: Path, content: bytes) -> None:
        replace_durably(self._filesystem, self._durable, self._layout.temporary(), path, content)

    def adopt(self, mode: Mode | None, now: datetime) -> None:
        """Makes the root this element's, whoever's it was; its mode stays unless one is given. Raises OSError,
        StorageUnavailable."""
        if mode is not None:
            self._write(self._layout.mode, mode_record(mode, None, now))
        self._write_marker(now)

    def owner(self) -> str | None:
        """The id in the marker; None where there is none. Raises StorageUnavailable when it cannot be read."""
        try:
            found = json.loads(read_small(self._filesystem, self._layout.marker))["storage_id"]
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StorageUnavailable("The storage element's marker cannot be read.") from error
        return str(found)
