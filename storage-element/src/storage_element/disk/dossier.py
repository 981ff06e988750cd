"""Everything that a data root knows of one file, gathered for a person to read. Changes nothing, and needs no lock."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

from artstore_core.attr_json import decode
from artstore_core.errors import NotFound

from storage_element.disk.committed import CommittedFiles
from storage_element.disk.durable import Durable
from storage_element.disk.failures import failure, meaning
from storage_element.disk.filesystem import FileSystem
from storage_element.disk.inspector import Inspector
from storage_element.disk.layout import Layout
from storage_element.disk.small_files import read_small
from storage_element.disk.wal.format import Malformed
from storage_element.disk.wal.reader import Group, LogDamaged, LogReader
from storage_element.disk.wal.segments import Segments
from storage_element.store.changes import Change


class Dossier:
    """Of the directory `root`. Beside a running element it tells of one moment or the next."""

    def __init__(self, root: Path, filesystem: FileSystem, storage_id: str) -> None:
        self._layout, self._filesystem, self._storage_id = Layout(root), filesystem, storage_id
        durable = Durable(filesystem)
        committed = CommittedFiles(self._layout, filesystem)
        self._inspector = Inspector(self._layout, filesystem, durable, committed, lambda: None)
        self._segments = Segments(self._layout.wal, filesystem, durable)

    def of(self, file_id: UUID) -> dict[str, Any]:
        """For JSON. `known` says whether there is anything at all. Raises StorageUnavailable."""
        record, data = self._record(file_id), self._data(file_id)
        log, index = self._log(file_id), self._index(file_id)
        data["matches"] = _matches(record, data)
        found = {
            "file_id": str(file_id),
            "record": record,
            "data": data,
            "log": log,
            "index": index,
            "staging": self._names(self._layout.staging, file_id),
            "quarantine": self._names(self._layout.quarantine, file_id),
        }
        known = record["present"] or data["present"] or bool(log) or index is not None
        return {"known": known or bool(found["staging"] or found["quarantine"])} | found

    def _record(self, file_id: UUID) -> dict[str, Any]:
        path = self._layout.attributes(file_id)
        about: dict[str, Any] = {"path": str(path), "present": True}
        try:
            content = read_small(self._filesystem, path)
            decode(content)
        except FileNotFoundError:
            return about | {"present": False}
        except OSError as error:
            raise failure(error) from error
        except ValueError as error:
            return about | {"unreadable": str(error)}
        return about | {"content": json.loads(content)}

    def _data(self, file_id: UUID) -> dict[str, Any]:
        about: dict[str, Any] = {"path": str(self._layout.data(file_id)), "present": True}
        try:
            hashing = self._inspector.hashing(file_id)
        except NotFound:
            return about | {"present": False}
        try:
            while not hashing.done:
                hashing.advance()
        finally:
            hashing.close()
        return about | {"size": hashing.size, "checksum": hashing.checksum()}

    def _log(self, file_id: UUID) -> list[dict[str, Any]]:
        reader = LogReader(self._segments, self._filesystem, self._storage_id)
        found: list[dict[str, Any]] = []
        try:
            with meaning():
                if not self._filesystem.exists(self._layout.wal):
                    return found
                for group in reader.groups():
                    found += [about for about in records_of(group) if about["file_id"] == str(file_id)]
        except LogDamaged as damage:
            found.append({"damaged": damage.reason, "segment": damage.path.name, "offset": damage.offset})
        except Malformed as error:
            found.append({"damaged": str(error)})
        return found

    def _index(self, file_id: UUID) -> dict[str, Any] | None:
        uri = f"{self._layout.index.absolute().as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(uri, uri=True)) as connection:
                row = connection.execute(_ROW, {"id": file_id.bytes}).fetchone()
        except sqlite3.Error as error:
            return {"unreadable": str(error)} if self._layout.index.exists() else None
        if row is None:
            return None
        sequence, record, purged = row
        return {"sequence": sequence, "purged": bool(purged), "record": json.loads(record)}

    def _names(self, directory: Path, file_id: UUID) -> list[str]:
        with meaning():
            if not self._filesystem.exists(directory):
                return []
            return sorted(name for name in self._filesystem.names(directory) if name.startswith(str(file_id)))


_ROW = """
SELECT sequence, record, 0 FROM files WHERE id = :id UNION ALL SELECT sequence, record, 1 FROM tombstones WHERE id = :id
"""


def records_of(group: Group) -> list[dict[str, Any]]:
    """What the records of a group are, without their content; sizes in bytes. Raises Malformed."""
    place = {"segment": group.path.name, "offset": group.offset, "group": group.header.number}
    return [place | {"sequence": logged.sequence} | _told(logged.change) for logged in group.records()]


def _told(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind.name,
        "file_id": str(change.file_id),
        "record_bytes": len(change.record),
        "body_bytes": None if change.body is None else len(change.body),
        "staged": change.staged,
    }


def _matches(record: dict[str, Any], data: dict[str, Any]) -> bool | None:
    """Whether the bytes are those that the record tells of; None where one of the two is missing."""
    if "content" not in record or "checksum" not in data:
        return None
    content = record["content"]
    return bool((content["size"], content["checksum"]) == (data["size"], data["checksum"]))
