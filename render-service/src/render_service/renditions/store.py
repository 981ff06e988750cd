"""Where renditions lie: a directory or a bucket (requirement N8). tests/store_conformance.py holds both to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from artstore_transfer import ByteRange


class Missing(Exception):
    """There is nothing under this key: it was lost, or removed."""


class RenditionStore(Protocol):
    """Keys are `segment/segment/name`. All but `read` after its first piece raise StorageUnavailable when it is away."""

    async def put(self, key: str, source: Path, media_type: str) -> None:
        """The bytes of `source` under `key`, whole or not at all; what was there is replaced."""
        ...

    def read(self, key: str, part: ByteRange) -> AsyncIterator[bytes]:
        """These bytes, in pieces of at most 1 MiB. Raises Missing before the first where not all of them are there."""
        ...

    async def has(self, key: str) -> bool: ...

    async def remove_all(self, prefix: str) -> None:
        """Everything whose key begins with `prefix`, which ends with a slash. Nothing there: nothing done."""
        ...

    async def probe(self) -> None:
        """For readiness: raises when it cannot be used."""
        ...


@runtime_checkable
class Presigns(Protocol):
    """A store that viewers can be sent to."""

    async def presign(self, key: str, seconds: int, media_type: str) -> str: ...
