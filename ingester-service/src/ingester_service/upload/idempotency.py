"""Requests that are sent again under one Idempotency-Key make one file (requirement G7).

Admin keeps the keys. The first request takes its key, and renews the lease on it while it works; whoever comes meanwhile
hears 409. At its end admin is told the fingerprint: a hash of what was stored, which is known only when all bytes were
read. A request that comes later is therefore read to its end too, hashed and not stored; if its fingerprint is the same
it gets the same answer, else 422.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID, uuid4

from artstore_core.errors import (
    AdminUnavailable,
    ArtStoreError,
    Conflict,
    IdempotencyKeyReused,
    InternalError,
    StorageUnavailable,
    UpstreamFailed,
)
from artstore_core.files import File
from artstore_core.ids import new_id
from artstore_kit.logs import get_logger

from ingester_service.upload.incoming import Retention, Told

_log = get_logger(__name__)

_UNKNOWN = (StorageUnavailable, UpstreamFailed, InternalError)
"""Failures after which the file may be on an element all the same. Every other domain error leaves nothing behind."""
_LEASE = 50.0
"""Seconds: admin's minute, and some for the way there."""
_FINISHING_PAUSES = (0.1, 0.5, None)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request under a key, of which only the hash (SHA-256, hex) is told. `holder` is this request's alone."""

    principal: str
    key_hash: str
    holder: UUID


@dataclass(frozen=True, slots=True)
class Begun:
    """The key is ours, and `file_id` is to be used. `again`: an attempt before may have stored that file."""

    file_id: UUID
    again: bool


@dataclass(frozen=True, slots=True)
class Done:
    """What came of the key. `file` is None for an upload that was only begun."""

    file_id: UUID
    fingerprint: str
    file: File | None
    registered: bool

    def check(self, fingerprint: str) -> None:
        """Raises IdempotencyKeyReused for another request than the first."""
        if fingerprint != self.fingerprint:
            raise reused()


class KeyKeeper(Protocol):
    """Admin."""

    async def begin(self, attempt: Attempt, file_id: UUID) -> Begun | Done:
        """Takes the key, or renews the lease of a minute. `file_id` is for a key that is new.

        Raises Conflict while another attempt has it, AdminUnavailable.
        """
        ...

    async def finish(self, attempt: Attempt, file_id: UUID, fingerprint: str, file: File | None) -> None:
        """Raises Conflict when the key is another's by now, AdminUnavailable."""
        ...

    async def give_up(self, attempt: Attempt, file_id: UUID, *, unknown: bool) -> None:
        """`unknown`: something may have been stored. Never raises: a key that was not given up frees itself."""
        ...


class Claim:
    """A key, held while the work under it goes on. Without a key it is nobody's, and all this does nothing."""

    def __init__(self, keys: IdempotencyKeys, attempt: Attempt | None, begun: Begun) -> None:
        self._keys, self._attempt = keys, attempt
        self.file_id, self.again = begun.file_id, begun.again
        self.may_be_stored = False
        """Set it where even a refusal may come after the file was stored."""
        self._renewed_at = keys.clock()

    async def still_ours(self) -> None:
        """To be asked before something is made for good. Raises Conflict, and AdminUnavailable once the lease may be over.

        A process that was stopped for longer than its lease must not go on as if it had it.
        """
        if self._attempt is None or self._keys.clock() - self._renewed_at < self._keys.renewal:
            return
        try:
            await self.renew()
        except AdminUnavailable:
            if self._keys.clock() - self._renewed_at >= _LEASE:
                raise

    async def renew(self) -> None:
        assert self._attempt is not None
        asked_at = self._keys.clock()
        if isinstance(await self._keys.keeper.begin(self._attempt, self.file_id), Done):
            raise Conflict("This request was finished by another attempt")
        self._renewed_at = asked_at

    async def done(self, file_id: UUID, fingerprint: str, file: File | None) -> None:
        """Never raises: the file is safe, and if admin does not hear of it now, the next attempt finds the file."""
        if self._attempt is not None and not await self._noted(self._attempt, file_id, fingerprint, file):
            _log.warning("what came of an idempotency key is not noted", file_id=str(file_id))

    async def _noted(self, attempt: Attempt, file_id: UUID, fingerprint: str, file: File | None) -> bool:
        for pause in _FINISHING_PAUSES:
            try:
                await self._keys.keeper.finish(attempt, file_id, fingerprint, file)
            except Conflict:
                return False
            except AdminUnavailable:
                if pause is not None:
                    await asyncio.sleep(pause)
            else:
                return True
        return False


class IdempotencyKeys:
    """`renewal`: seconds, well within admin's minute."""

    def __init__(self, keeper: KeyKeeper, renewal: float = 20.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.keeper, self.renewal, self.clock = keeper, renewal, clock

    @asynccontextmanager
    async def held(self, principal: str, key: str | None) -> AsyncIterator[Claim | Done]:
        """The key is ours until the block ends, and free again after an error. Raises Conflict, AdminUnavailable."""
        if key is None:
            yield Claim(self, None, Begun(new_id(), again=False))
            return
        attempt = Attempt(principal, hashlib.sha256(key.encode()).hexdigest(), uuid4())
        found = await self.keeper.begin(attempt, new_id())
        if isinstance(found, Done):
            yield found
            return
        claim = Claim(self, attempt, found)
        renewing = asyncio.create_task(self._renew(claim))
        try:
            yield claim
        except BaseException as error:
            unknown = claim.may_be_stored or not isinstance(error, ArtStoreError) or isinstance(error, _UNKNOWN)
            # Shielded: a client that goes away may cancel this very request.
            await asyncio.shield(self.keeper.give_up(attempt, claim.file_id, unknown=unknown))
            raise
        finally:
            renewing.cancel()

    async def _renew(self, claim: Claim) -> None:
        while True:
            await asyncio.sleep(self.renewal)
            with suppress(ArtStoreError):  # asked again before anything is made for good
                await claim.renew()


def fingerprint(filename: str, retention: Retention, told: Told, sha256: str) -> str:
    """Of a file and what is said of it, as SHA-256 in hex: the same for the same request, whatever form it came in."""
    return digest(
        {
            "filename": filename,
            "retention_policy": retention.policy.value,
            "ttl_days": retention.ttl_days,
            "description": told.description,
            "tags": told.tags,
            "metadata": told.metadata,
            "sha256": sha256,
        }
    )


def fingerprint_of(file: File) -> str:
    """The fingerprint of the request that made this file."""
    told = Told(description=file.description, tags=list(file.tags), metadata=dict(file.metadata))
    return fingerprint(file.original_filename, Retention(file.retention_policy, file.ttl_days), told, file.checksum)


def digest(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def reused() -> IdempotencyKeyReused:
    return IdempotencyKeyReused("This Idempotency-Key was used for another request")
