"""Resumable uploads that are begun once, however often that is asked for under one key (requirement G7).

The fingerprint is made of all that the request says, and of its body where it brings one. The id of the upload follows
from the key's id and the element, so that what a dead attempt began can be looked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from ingester_service.resumable.begun import Begun, Kind
from ingester_service.resumable.finding import Finding
from ingester_service.resumable.ids import id_on
from ingester_service.resumable.joining import Joining
from ingester_service.resumable.metadata import parse
from ingester_service.resumable.service import Body, Progress, ResumableUploads
from ingester_service.upload.idempotency import (
    Claim,
    Done,
    IdempotencyKeys,
    digest,
    fingerprint,
    fingerprint_of,
    reused,
)
from ingester_service.upload.once import LeftBehind, LeftFile
from ingester_service.upload.registration import Registration
from ingester_service.upload.service import Uploaded

_NOTHING: Final = hashlib.sha256().hexdigest()


@dataclass(frozen=True, slots=True)
class Creation:
    """What a client asks for: an upload of `size` bytes (None: not known yet) whose first ones `body` brings, or one that
    is made of `parts`."""

    begun: Begun
    size: int | None = None
    body: Body | None = None
    parts: Sequence[UUID] = ()


class BeginOnce:
    def __init__(
        self,
        uploads: ResumableUploads,
        joining: Joining,
        finding: Finding,
        keys: IdempotencyKeys,
        left: LeftBehind,
        registration: Registration,
    ) -> None:
        self._uploads, self._joining, self._finding = uploads, joining, finding
        self._keys, self._left, self._registration = keys, left, registration

    async def begin(self, key: str | None, creation: Creation) -> tuple[Progress, bool]:
        """Where the upload stands, and whether it was begun before.

        Raises Conflict, IdempotencyKeyReused, AdminUnavailable, and what beginning and joining raise.
        """
        if key is None:
            return await self._begun(creation, None), False
        hashing = _Hashing(creation.body)
        async with self._keys.held(creation.begun.owner, key) as held:
            if isinstance(held, Done):
                await hashing.read()
                held.check(_fingerprint(creation, hashing.sha256))
                return Progress(await self._finding.find(held.file_id, creation.begun.owner)), True
            # With all its bytes it may be a file before its request fails.
            held.may_be_stored = creation.body is not None or creation.size == 0
            if held.again and creation.begun.kind is not Kind.FINAL:
                left = await self._left.find(lambda storage_id: id_on(storage_id, held.file_id))
                if left is not None:
                    return await self._adopted(left, held, creation, hashing), True
            progress = await self._begun(replace(creation, body=hashing.body), held.file_id)
            done = _fingerprint(creation, hashing.sha256)
            await held.done(progress.standing.upload_id, done, None)
        return progress, False

    async def _begun(self, creation: Creation, base: UUID | None) -> Progress:
        if creation.begun.kind is Kind.FINAL:
            return await self._joining.join(creation.begun, creation.parts)
        return await self._uploads.begin(creation.begun, creation.size, creation.body, base=base)

    async def _adopted(self, left: LeftFile, claim: Claim, creation: Creation, hashing: _Hashing) -> Progress:
        """A dead attempt had brought all bytes, and made the file."""
        await hashing.read()
        described = parse(creation.begun.metadata)
        asked = fingerprint(described.filename, creation.begun.retention, described.told, hashing.sha256)
        if asked != fingerprint_of(left.file):
            raise reused()
        registered = await self._registration.register(left.file, left.storage_id)
        await claim.done(left.file.file_id, _fingerprint(creation, hashing.sha256), None)
        standing = await self._finding.find(left.file.file_id, creation.begun.owner)
        return Progress(standing, Uploaded(left.file, registered))


class _Hashing:
    """A body that is hashed as it is read."""

    def __init__(self, body: Body | None) -> None:
        self._hashed = hashlib.sha256()
        self.body = None if body is None else replace(body, chunks=self._chunks(body.chunks))

    @property
    def sha256(self) -> str:
        return _NOTHING if self.body is None else self._hashed.hexdigest()

    async def read(self) -> None:
        """To its end, for nothing but its hash."""
        if self.body is not None:
            async for _ in self.body.chunks:
                pass

    async def _chunks(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            self._hashed.update(chunk)
            yield chunk


def _fingerprint(creation: Creation, sha256: str) -> str:
    begun = creation.begun
    return digest(
        {
            "kind": begun.kind.value,
            "retention_policy": begun.retention.policy.value,
            "ttl_days": begun.retention.ttl_days,
            "metadata": begun.metadata,
            "size": creation.size,
            "parts": [str(part) for part in creation.parts],
            "sha256": sha256,
        }
    )
