"""The four modes of a storage element, and what each allows (requirements S2, S3)."""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    EDIT = "edit"
    RW = "rw"
    RO = "ro"
    AR = "ar"


class Operation(StrEnum):
    UPLOAD = "upload"
    UPDATE = "update"
    DELETE = "delete"
    DOWNLOAD = "download"
    LIST = "list"
    METADATA = "metadata"


_READ = frozenset({Operation.LIST, Operation.METADATA})

ALLOWED: dict[Mode, frozenset[Operation]] = {
    Mode.EDIT: frozenset(Operation),
    Mode.RW: frozenset(Operation) - {Operation.DELETE},
    Mode.RO: _READ | {Operation.DOWNLOAD},
    Mode.AR: _READ,
}
