"""From the request for urls to the file.

The parts are on the element; here they are signed for, counted, and made a file. Before anybody looks at the bytes, the
upload is sealed: a part that could still be replaced after the scan would get past it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from artstore_core.errors import AdminUnavailable, ChecksumMismatch, Conflict, ValidationFailed

from ingester_service.parts.ports import PartStaging, PartThere
from ingester_service.parts.sizes import part_count_of, part_length_of
from ingester_service.parts.urls import PartUrls, SignedPart
from ingester_service.resumable.begun import Begun, Kind, Standing
from ingester_service.resumable.finding import Finding
from ingester_service.resumable.finishing import Finishing
from ingester_service.resumable.ports import Locked, Quota
from ingester_service.upload.idempotency import Done, IdempotencyKeys, digest
from ingester_service.upload.registration import Registration
from ingester_service.upload.service import Uploaded

_PAUSES: Final = (0.05, 0.1, 0.2, 0.4, 0.8)
"""A part whose client has just given up on it is still being dealt with."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What a client says that the parts are: their digests (SHA-256, hex) by number, and that of the whole."""

    sha256s: Mapping[int, str]
    sha256: str | None = None

    def fingerprint(self, upload_id: UUID) -> str:
        parts = sorted(self.sha256s.items())
        return digest({"complete": str(upload_id), "parts": parts, "sha256": self.sha256})


@dataclass(frozen=True, slots=True)
class Completed:
    """`replayed`: it was complete before, and has been told of."""

    uploaded: Uploaded
    replayed: bool


class SignedParts:
    """The use cases on uploads in parts, once they are begun."""

    def __init__(
        self,
        staging: PartStaging,
        finding: Finding,
        finishing: Finishing,
        registration: Registration,
        quota: Quota,
        keys: IdempotencyKeys,
        urls: PartUrls,
    ) -> None:
        self._staging, self._finding, self._finishing = staging, finding, finishing
        self._registration, self._quota, self._keys, self._urls = registration, quota, keys, urls

    async def sign(self, upload_id: UUID, principal: str, wanted: Mapping[int, str | None]) -> list[SignedPart]:
        """Urls for these parts, each for a body with the digest that is given (SHA-256, hex). Raises NotFound, Conflict,
        ValidationFailed, QuotaExceeded."""
        standing = await self._finding.find(upload_id, principal)
        size, part_size, _ = _of_parts(standing)
        count = part_count_of(size, part_size)
        if any(not 1 <= number <= count for number in wanted):
            raise ValidationFailed(
                "The upload has no such part", details={"part_numbers": f"must be from 1 to {count}"}
            )
        with suppress(AdminUnavailable):
            # What is set aside lasts an hour, a url ten minutes: who goes on comes back in time. Without admin it goes on:
            # it was let in once.
            await self._quota.reserve(principal, upload_id, size)
        return [
            self._urls.sign(
                standing.element.storage_id, upload_id, number, part_length_of(size, part_size, number), sha256
            )
            for number, sha256 in wanted.items()
        ]

    async def there(self, standing: Standing) -> Sequence[PartThere]:
        """The parts that are safe; none of another upload."""
        if standing.begun is None or standing.begun.kind is not Kind.PARTS:
            return ()
        return await self._staging.parts(standing.element, standing.upload_id)

    async def complete(self, key: str | None, upload_id: UUID, principal: str, completion: Completion) -> Completed:
        """The file. However often: it is one file.

        Raises NotFound, Conflict, ValidationFailed, ChecksumMismatch (the upload stays as it was), TypeNotAllowed and
        Infected (nothing of it stays), IdempotencyKeyReused, AdminUnavailable.
        """
        async with self._keys.held(principal, key) as held:
            if isinstance(held, Done):
                held.check(completion.fingerprint(upload_id))
                if held.file is not None:
                    return Completed(Uploaded(held.file, held.registered), replayed=True)
                return await self._completed(upload_id, principal, completion)
            held.may_be_stored = True
            completed = await self._completed(upload_id, principal, completion)
            await held.done(upload_id, completion.fingerprint(upload_id), completed.uploaded.file)
            return completed

    async def _completed(self, upload_id: UUID, principal: str, completion: Completion) -> Completed:
        standing = await self._finding.find(upload_id, principal)
        if (file := standing.file) is not None:
            if completion.sha256 not in (None, file.checksum):
                raise ChecksumMismatch("The file has other bytes", details={"sha256": "differs"})
            # Once more: whoever completed it may have died before admin heard of it.
            registered = await self._registration.register(file, standing.element.storage_id)
            return Completed(Uploaded(file, registered), replayed=True)
        size, part_size, begun = _of_parts(standing)
        sha256s = _in_order(completion.sha256s, part_count_of(size, part_size))
        async with self._quota.kept(principal, upload_id, size):
            await self._seal(standing, sha256s, completion.sha256)
            return Completed(await self._finished(replace(standing, offset=size), begun), replayed=False)

    async def _seal(self, standing: Standing, sha256s: Sequence[str], sha256: str | None) -> None:
        locked: Locked | None = None
        for pause in (0, *_PAUSES):
            await asyncio.sleep(pause)
            try:
                await self._staging.seal(standing.element, standing.upload_id, sha256s, sha256)
                return
            except Locked as error:
                locked = error
        assert locked is not None
        raise _in_use(locked) from locked

    async def _finished(self, standing: Standing, begun: Begun) -> Uploaded:
        try:
            return await self._finishing.finish(standing, begun)
        except Locked as locked:
            raise _in_use(locked) from locked


def _of_parts(standing: Standing) -> tuple[int, int, Begun]:
    """Its size and its parts'. Raises Conflict for what is a file by now, and for uploads of another kind."""
    if standing.file is not None:
        raise Conflict("The upload is complete: it is a file now")
    if standing.begun is None or standing.size is None or standing.part_size is None:
        raise Conflict("This upload was begun by tus, and takes no parts")
    return standing.size, standing.part_size, standing.begun


def _in_order(sha256s: Mapping[int, str], count: int) -> list[str]:
    if sha256s.keys() != set(range(1, count + 1)):
        raise ValidationFailed("The parts are not those of the upload", details={"parts": f"must be 1 to {count}"})
    return [sha256s[number] for number in range(1, count + 1)]


def _in_use(locked: Locked) -> Conflict:
    """423 is for clients of tus."""
    return Conflict("Another request is working on this upload", headers=locked.headers)
