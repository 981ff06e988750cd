"""Where everything lies in a data root. All paths are made here, from UUIDs and from names made here: never from text
that a client sent.

    artstore-element.json            the marker: which element's disk this is
    mode.json                        the mode, which outlives restarts
    files/<shard>/<id>.data          the bytes
    files/<shard>/<id>.attr.json     the truth about them: no attr.json, no file
    staging/<random>.tmp             an ordinary upload, or an attr.json, on its way
    staging/<id>.part                the bytes of a resumable upload
    staging/<id>.upload.json         what was agreed when it began
    wal/                             changes that are promised, and may not be in their places yet (disk/wal)
    index.sqlite                     a copy of what the records say, to be found fast; may be deleted at any time
    maintenance/                     how far reconcile and scrub have come, and when the element last ran
    ballast                          room that a start may take on a full disk (disk/ballast); may be deleted at any time
    quarantine/                      damaged bytes, and what nobody could explain: kept, never served

The shard is the last three hexadecimal digits of the id. Ids are UUIDv7, whose front is the time: by their front, all
files of a day would meet in one directory; their tail is random. 4,096 directories hold 50 million files at 24,000
entries each, which ext4 and XFS look up in one step, and cost little when nearly empty.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final
from uuid import UUID

_SHARD_DIGITS: Final = 3
_DATA, _ATTRIBUTES, _TEMPORARY = ".data", ".attr.json", ".tmp"
_PART, _PARTS, _UPLOAD = ".part", ".parts", ".upload.json"


class Layout:
    """The paths of one data root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.marker = root / "artstore-element.json"
        self.mode = root / "mode.json"
        self.files = root / "files"
        self.staging = root / "staging"
        self.quarantine = root / "quarantine"
        self.wal = root / "wal"
        self.maintenance = root / "maintenance"
        self.index = root / "index.sqlite"
        self.ballast = root / "ballast"
        self._shards: dict[str, Path] = {}

    @property
    def directories(self) -> tuple[Path, ...]:
        return self.files, self.staging, self.quarantine, self.wal, self.maintenance

    def shard(self, file_id: UUID) -> Path:
        name = file_id.hex[-_SHARD_DIGITS:]
        # Kept: each change and each download needs some, and to join them costs as much as a call to the disk.
        found = self._shards.get(name)
        if found is None:
            found = self._shards[name] = self.files / name
        return found

    def data(self, file_id: UUID) -> Path:
        return self.shard(file_id) / f"{file_id}{_DATA}"

    def attributes(self, file_id: UUID) -> Path:
        return self.shard(file_id) / f"{file_id}{_ATTRIBUTES}"

    def part(self, upload_id: UUID) -> Path:
        return self.staging / f"{upload_id}{_PART}"

    def parts(self, upload_id: UUID) -> Path:
        """The table of an upload whose parts come in any order."""
        return self.staging / f"{upload_id}{_PARTS}"

    def upload(self, upload_id: UUID) -> Path:
        return self.staging / f"{upload_id}{_UPLOAD}"

    def temporary(self) -> Path:
        """A name that nobody else has."""
        return self.staging / f"{secrets.token_hex(16)}{_TEMPORARY}"

    def staged(self, name: str) -> Path:
        """By the name that the log has it under. Raises ValueError for one that this module does not make."""
        if not is_name_of_bytes(name):
            raise ValueError("not a name in staging")
        return self.staging / name

    def note(self, name: str) -> Path:
        """Of maintenance, by a name that is this program's own. Raises ValueError for one that could not be."""
        if not (name.isascii() and name.isalpha()):
            raise ValueError("not a name of a note")
        return self.maintenance / f"{name}.json"

    def set_aside(self, path: Path, mark: str | None = None) -> Path:
        """Where a file goes into quarantine: under a name that is free, or the one that belongs to `mark`."""
        return self.quarantine / f"{path.name}.{mark or secrets.token_hex(8)}"


def is_shard(name: str) -> bool:
    return len(name) == _SHARD_DIGITS and all(char in "0123456789abcdef" for char in name)


def is_name_of_bytes(name: str) -> bool:
    """Whether it is one of those that bytes have in staging/."""
    return (is_temporary(name) or id_of_part(name) is not None) and "/" not in name


def is_temporary(name: str) -> bool:
    return name.endswith(_TEMPORARY)


def id_of_data(name: str) -> UUID | None:
    return _id_before(name, _DATA)


def id_of_attributes(name: str) -> UUID | None:
    return _id_before(name, _ATTRIBUTES)


def id_of_part(name: str) -> UUID | None:
    return _id_before(name, _PART)


def id_of_parts(name: str) -> UUID | None:
    return _id_before(name, _PARTS)


def id_of_upload(name: str) -> UUID | None:
    return _id_before(name, _UPLOAD)


def _id_before(name: str, suffix: str) -> UUID | None:
    """The id in a name that this module would have made, and in no other spelling of it."""
    stem = name.removesuffix(suffix)
    try:
        found = UUID(stem)
    except ValueError:
        return None
    return found if name == f"{found}{suffix}" else None
