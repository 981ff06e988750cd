"""The keys that sign access tokens: made here, kept encrypted, published as JWKS (requirement I8)."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from artstore_core.errors import AdminUnavailable
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc.jwk import RSAKey

from admin_service.identity.clock import Clock

KEY_BITS = 2048
NONCE_BYTES = 12
RELOAD_SECONDS = 15.0
RETRY_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`private_encrypted`: nonce ‖ AES-256-GCM of the PKCS #8 PEM, bound to `kid`. It signs from `active_from` on."""

    kid: str
    public_jwk: dict[str, Any]
    private_encrypted: bytes
    active_from: datetime
    created_at: datetime
    withdrawn_at: datetime | None = None


class KeyRows(Protocol):
    async def add_first(self, key: SigningKey) -> bool:
        """Adds the key unless there is one already; True when it was added. Safe between replicas."""
        ...

    async def published(self) -> Sequence[SigningKey]:
        """Every key that verifiers may still meet, newest first."""
        ...


class KeyVault:
    """Encrypts private keys at rest under the key from the environment."""

    def __init__(self, key_encryption_key: bytes) -> None:
        self._aead = AESGCM(key_encryption_key)

    def seal(self, kid: str, private: RSAKey) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, private.as_pem(private=True), kid.encode())

    def open(self, key: SigningKey) -> RSAKey:
        """Raises cryptography's InvalidTag when the key encryption key is another one than sealed it."""
        nonce, sealed = key.private_encrypted[:NONCE_BYTES], key.private_encrypted[NONCE_BYTES:]
        pem = self._aead.decrypt(nonce, sealed, key.kid.encode())
        return RSAKey.import_key(pem, {"kid": key.kid, "use": "sig", "alg": "RS256"})


def new_signing_key(vault: KeyVault, now: datetime) -> SigningKey:
    key = RSAKey.generate_key(KEY_BITS, auto_kid=False)
    kid = key.thumbprint()  # RFC 7638: the same key has the same id wherever it is met
    public = {"kid": kid, "use": "sig", "alg": "RS256", **key.as_dict(private=False)}
    return SigningKey(kid, public, vault.seal(kid, key), active_from=now, created_at=now)


class KeyRing:
    """The keys in memory. What was loaded goes on serving while the database is away."""

    def __init__(
        self,
        rows: Callable[[], AbstractAsyncContextManager[KeyRows]],
        vault: KeyVault,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rows, self._vault, self._clock, self._monotonic = rows, vault, clock, monotonic
        self._published: dict[str, tuple[SigningKey, RSAKey]] = {}
        self._private: dict[str, RSAKey] = {}
        self._reload_at = float("-inf")
        self._lock = asyncio.Lock()

    async def signer(self) -> RSAKey:
        """The private key that signs now. Raises AdminUnavailable when there is none."""
        await self._reload()
        now = self._clock()
        for key, _ in self._published.values():
            if key.active_from <= now:
                if key.kid not in self._private:
                    self._private[key.kid] = self._vault.open(key)
                return self._private[key.kid]
        raise AdminUnavailable("There is no signing key yet")

    async def jwks(self) -> dict[str, Any]:
        """RFC 7517 §5. Never empty: a verifier would take that for "every key was withdrawn"."""
        await self._reload()
        if not self._published:
            raise AdminUnavailable("There is no signing key yet")
        return {"keys": [key.public_jwk for key, _ in self._published.values()]}

    async def find(self, kid: str) -> RSAKey | None:
        """For verifying: artstore_auth's KeySource."""
        await self._reload()
        found = self._published.get(kid)
        return found[1] if found else None

    async def _reload(self) -> None:
        async with self._lock:
            if self._monotonic() < self._reload_at:
                return
            try:
                async with self._rows() as rows:
                    keys = await rows.published()
            except AdminUnavailable:
                if not self._published:
                    raise
                return
            finally:
                # Whether it succeeded or not: those who waited behind this try must not queue up for their own while
                # the database hangs.
                self._reload_at = self._monotonic() + RETRY_SECONDS
            self._published = {key.kid: (key, RSAKey.import_key(key.public_jwk)) for key in keys}
            self._private = {kid: key for kid, key in self._private.items() if kid in self._published}
            if keys:
                self._reload_at = self._monotonic() + RELOAD_SECONDS
