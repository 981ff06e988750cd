"""A file that is sent in one request, stored once however often it is sent under one key (requirement G7)."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from artstore_core.errors import ChecksumMismatch
from artstore_core.files import File

from ingester_service.upload.idempotency import Claim, Done, IdempotencyKeys, fingerprint, fingerprint_of, reused
from ingester_service.upload.incoming import Incoming, Retention, Told
from ingester_service.upload.quotas import Quotas
from ingester_service.upload.registration import Registration
from ingester_service.upload.service import Uploaded, Uploads

Opening = Callable[[], Awaitable[Incoming]]
"""Reads the request's body up to the file's first byte."""


@dataclass(frozen=True, slots=True)
class Received:
    """`replayed`: the file was there before. `is_new`: nobody has told of it yet, so the audit log is to hear of it."""

    uploaded: Uploaded
    replayed: bool
    is_new: bool


@dataclass(frozen=True, slots=True)
class LeftFile:
    file: File
    storage_id: str


class LeftBehind(Protocol):
    """What an attempt that died may have left on an element."""

    async def find(self, id_on: Callable[[str], UUID]) -> LeftFile | None:
        """The file, if it came that far; half a file is thrown away. `id_on` gives the id that it has on an element.

        Raises StorageUnavailable where an element that may have it does not answer, Conflict where one is at work on it,
        AdminUnavailable.
        """
        ...


class UploadOnce:
    """`POST /api/v1/files/upload` with a key and without."""

    def __init__(
        self,
        uploads: Uploads,
        quotas: Quotas,
        keys: IdempotencyKeys,
        left: LeftBehind,
        registration: Registration,
    ) -> None:
        self._uploads, self._quotas, self._keys = uploads, quotas, keys
        self._left, self._registration = left, registration

    async def receive(self, key: str | None, principal: str, bound: int | None, opening: Opening) -> Received:
        """`bound`: of the file's bytes, None where none is known yet.

        Raises Conflict while another attempt is at work, IdempotencyKeyReused, AdminUnavailable, before the body is read
        but for the second; and what Uploads.receive raises.
        """
        async with self._keys.held(principal, key) as held:
            if isinstance(held, Done):
                incoming = await opening()
                held.check(await _read(incoming))
                if held.file is None:
                    raise reused()
                return Received(Uploaded(held.file, held.registered), replayed=True, is_new=False)
            left = await self._left.find(lambda _: held.file_id) if held.again else None
            if left is not None:
                adopted = await self._adopted(left, held, await opening())
                return Received(adopted, replayed=True, is_new=True)
            stored = await self._stored(held, principal, bound, opening)
            return Received(stored, replayed=False, is_new=True)

    async def _stored(self, claim: Claim, principal: str, bound: int | None, opening: Opening) -> Uploaded:
        async with self._quotas.hold(claim.file_id, principal, bound) as hold:
            incoming = _Guarded(await opening(), claim)
            uploaded = await self._uploads.receive(incoming, claim.file_id, principal, hold)
        await claim.done(claim.file_id, fingerprint_of(uploaded.file), uploaded.file)
        return uploaded

    async def _adopted(self, left: LeftFile, claim: Claim, incoming: Incoming) -> Uploaded:
        """An attempt before stored the file and died before it could say so."""
        stored = fingerprint_of(left.file)
        # Noted whatever this request brings: the key has its file.
        await claim.done(claim.file_id, stored, left.file)
        registered = await self._registration.register(left.file, left.storage_id)
        if await _read(incoming) != stored:
            raise reused()
        return Uploaded(left.file, registered)


@dataclass(frozen=True, slots=True)
class _Guarded:
    """An Incoming that is stored only while the key is ours: what is told comes last before the file is made."""

    incoming: Incoming
    claim: Claim

    @property
    def filename(self) -> str:
        return self.incoming.filename

    @property
    def retention(self) -> Retention:
        return self.incoming.retention

    @property
    def sha256(self) -> str | None:
        return self.incoming.sha256

    @property
    def size_at_most(self) -> int | None:
        return self.incoming.size_at_most

    @property
    def largest(self) -> int:
        return self.incoming.largest

    def chunks(self) -> AsyncIterator[bytes]:
        return self.incoming.chunks()

    async def told(self) -> Told:
        told = await self.incoming.told()
        await self.claim.still_ours()
        return told


async def _read(incoming: Incoming) -> str:
    """The fingerprint of a request whose bytes nobody keeps. Raises ChecksumMismatch, and what reading it raises."""
    hashed = hashlib.sha256()
    async for chunk in incoming.chunks():
        hashed.update(chunk)
    if incoming.sha256 not in (None, hashed.hexdigest()):
        raise ChecksumMismatch(
            "The bytes do not match their digest", details={"file": "does not match its Repr-Digest"}
        )
    return fingerprint(incoming.filename, incoming.retention, await incoming.told(), hashed.hexdigest())
