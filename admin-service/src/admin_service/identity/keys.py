"""The keys that sign access tokens: made here, kept encrypted, held in memory, published as JWKS (requirement I8).

Their life, and who ends which when, is `identity/rotation.py`.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from artstore_core.errors import AdminUnavailable
from artstore_kit.logs import get_logger
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc.jwk import RSAKey

from admin_service.identity.clock import Clock

KEY_BITS = 2048
NONCE_BYTES = 12
RELOAD_SECONDS = 5.0
"""How often the ring reads the keys anew."""
TRUST_SECONDS = 15.0
"""The oldest reading that a token is still signed by: so late, at most, does a replica notice a leaked key's end."""
READ_SECONDS = 2.0
RETRY_SECONDS = 2.0
SHORTEST_PAUSE_SECONDS = 0.1

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """It signs from `active_from` until the next one does, and is published from `created_at` to `withdrawn_at`.

    `private_encrypted`: nonce ‖ AES-256-GCM of the PKCS #8 PEM, bound to `kid`; None once it was withdrawn.
    """

    kid: str
    public_jwk: dict[str, Any]
    private_encrypted: bytes | None
    active_from: datetime
    created_at: datetime
    withdrawn_at: datetime | None = None


class KeyRows(Protocol):
    """The table of keys, within one transaction."""

    async def lock(self) -> None:
        """Waits until no other transaction changes keys; holds them all off until this one ends."""
        ...

    async def add_first(self, key: SigningKey) -> bool:
        """Adds the key unless there is one already; True when it was added. Safe between replicas."""
        ...

    async def add(self, key: SigningKey) -> None: ...

    async def every(self) -> Sequence[SigningKey]:
        """All that are known, the one that signs last first; withdrawn ones too."""
        ...

    async def published(self) -> Sequence[SigningKey]:
        """Every key that verifiers may still meet, the one that signs last first."""
        ...

    async def withdraw(self, kid: str, now: datetime) -> None:
        """It is published no more, and its private half is erased."""
        ...

    async def seal_anew(self, kid: str, private_encrypted: bytes) -> None: ...

    async def forget(self, withdrawn_before: datetime) -> None: ...


class KeyVault:
    """Encrypts private keys at rest under the key from the environment; `previous` is the one before it, if any."""

    def __init__(self, key_encryption_key: bytes, previous: bytes | None = None) -> None:
        self._aead = AESGCM(key_encryption_key)
        self._previous = AESGCM(previous) if previous is not None else None

    def seal(self, kid: str, private: RSAKey) -> bytes:
        return self._encrypt(kid, private.as_pem(private=True))

    def open(self, key: SigningKey) -> RSAKey:
        """Raises cryptography's InvalidTag when another key encryption key than these sealed it, or it was erased."""
        pem = _decrypt(self._aead, key)
        if pem is None and self._previous is not None:
            pem = _decrypt(self._previous, key)
        if pem is None:
            raise InvalidTag
        return RSAKey.import_key(pem, {"kid": key.kid, "use": "sig", "alg": "RS256"})

    def sealed_anew(self, key: SigningKey) -> bytes | None:
        """What is sealed under the previous key, sealed under the present one; None for every other."""
        if self._previous is None or _decrypt(self._aead, key) is not None:
            return None
        pem = _decrypt(self._previous, key)
        return None if pem is None else self._encrypt(key.kid, pem)

    def _encrypt(self, kid: str, pem: bytes) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, pem, kid.encode())


def _decrypt(aead: AESGCM, key: SigningKey) -> bytes | None:
    if key.private_encrypted is None:
        return None
    nonce, sealed = key.private_encrypted[:NONCE_BYTES], key.private_encrypted[NONCE_BYTES:]
    try:
        return aead.decrypt(nonce, sealed, key.kid.encode())
    except InvalidTag:
        return None


def new_signing_key(vault: KeyVault, now: datetime) -> SigningKey:
    """One that signs at once. Takes a tenth of a second of a core and more."""
    key = RSAKey.generate_key(KEY_BITS, auto_kid=False)
    kid = key.thumbprint()  # RFC 7638: the same key has the same id wherever it is met
    public = {"kid": kid, "use": "sig", "alg": "RS256", **key.as_dict(private=False)}
    return SigningKey(kid, public, vault.seal(kid, key), active_from=now, created_at=now)


@dataclass(frozen=True, slots=True)
class _Held:
    """A published key as the ring holds it; `private` is None where it is not needed, or cannot be opened."""

    key: SigningKey
    public: RSAKey
    private: RSAKey | None


class KeyRing:
    """The keys in memory, read anew every `reload_seconds`.

    What was read goes on serving those who verify while the database is away. Signing does not: nobody could sign in
    then anyway, and a replica that alone lost its database must not sign with a key that the others withdrew.
    """

    def __init__(
        self,
        rows: Callable[[], AbstractAsyncContextManager[KeyRows]],
        vault: KeyVault,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        reload_seconds: float = RELOAD_SECONDS,
    ) -> None:
        self._rows, self._vault, self._clock, self._monotonic = rows, vault, clock, monotonic
        self._reload_seconds = reload_seconds
        self._held: dict[str, _Held] = {}
        self._read_at = self._tried_at = self._reload_at = float("-inf")
        self._lock = asyncio.Lock()

    async def signer(self) -> RSAKey:
        """The private key that signs now. Raises AdminUnavailable when there is none that is surely good."""
        await self._reload()
        if self._monotonic() - self._read_at > TRUST_SECONDS:
            raise AdminUnavailable("The signing keys cannot be read now")
        active = self._active()
        if active is None:
            raise AdminUnavailable("There is no signing key yet")
        if active.private is None:
            raise AdminUnavailable("The signing key cannot be opened")
        return active.private

    async def jwks(self) -> dict[str, Any]:
        """RFC 7517 §5. Never empty: a verifier would take that for "every key was withdrawn"."""
        await self._reload()
        if not self._held:
            raise AdminUnavailable("There is no signing key yet")
        return {"keys": [held.key.public_jwk for held in self._held.values()]}

    async def find(self, kid: str) -> RSAKey | None:
        """For verifying: artstore_auth's KeySource."""
        await self._reload()
        if kid not in self._held and self._monotonic() >= self._tried_at + RETRY_SECONDS:
            # Another replica may have made it just now. Forged ids cost one reading in that time, no more.
            self._reload_at = float("-inf")
            await self._reload()
        found = self._held.get(kid)
        return found.public if found else None

    async def renew(self) -> None:
        """Reads now, because the keys were just changed. Raises AdminUnavailable only while nothing was ever read."""
        self._reload_at = float("-inf")
        async with self._lock:
            await self._read_if_due()

    async def run(self) -> None:
        """Until cancelled: reads in time, whether anybody asks or not, so that a new key is published by all at once."""
        while True:
            try:
                await self._reload()
            except AdminUnavailable:
                pass  # readiness tells of it
            except Exception:  # noqa: BLE001
                # Whatever it was: without this loop a new key could sign before this replica publishes it.
                _log.exception("signing keys not read")
            await asyncio.sleep(max(SHORTEST_PAUSE_SECONDS, self._reload_at - self._monotonic()))

    def published(self) -> int:
        """How many keys were published when they were read last."""
        return len(self._held)

    def active_age(self) -> timedelta | None:
        """For how long the key that signs now has done so; None while there is none, or it cannot be opened."""
        active = self._active()
        return self._clock() - active.key.active_from if active and active.private else None

    def _active(self) -> _Held | None:
        now = self._clock()
        return next((held for held in self._held.values() if held.key.active_from <= now), None)

    async def _reload(self) -> None:
        if self._monotonic() < self._reload_at:
            return
        if self._held and self._lock.locked():
            return  # another reads already; what is held serves until that is done
        async with self._lock:
            await self._read_if_due()

    async def _read_if_due(self) -> None:
        if self._monotonic() < self._reload_at:
            return
        try:
            async with asyncio.timeout(READ_SECONDS), self._rows() as rows:
                keys = await rows.published()
        except (AdminUnavailable, TimeoutError) as error:
            if not self._held:
                raise AdminUnavailable("The signing keys cannot be read now") from error
            return
        finally:
            # Whether it succeeded or not: those who waited behind this try must not queue up for their own while
            # the database hangs.
            self._tried_at = self._monotonic()
            self._reload_at = self._tried_at + RETRY_SECONDS
        self._hold(keys)
        self._read_at = self._monotonic()
        if keys:
            self._reload_at = self._read_at + self._reload_seconds

    def _hold(self, keys: Sequence[SigningKey]) -> None:
        """Opens what signs now and what will: a key that is opened ahead fails nobody at the moment when it is needed."""
        now = self._clock()
        signs_from = max((key.active_from for key in keys if key.active_from <= now), default=now)
        self._held = {key.kid: self._as_held(key, may_sign=key.active_from >= signs_from) for key in keys}

    def _as_held(self, key: SigningKey, *, may_sign: bool) -> _Held:
        # The same objects as before: verifiers remember good tokens by the key object that proved them.
        known = self._held.get(key.kid)
        public = known.public if known else RSAKey.import_key(key.public_jwk)
        private = known.private if known else None
        return _Held(key, public, (private or self._opened(key)) if may_sign else None)

    def _opened(self, key: SigningKey) -> RSAKey | None:
        try:
            return self._vault.open(key)
        except InvalidTag:
            _log.error("signing key cannot be opened: is AM_KEY_ENCRYPTION_KEY another one now?", kid=key.kid)
            return None
