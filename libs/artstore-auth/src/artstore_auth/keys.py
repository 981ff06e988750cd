"""Public signing keys: fetched from JWKS (RFC 7517), kept in memory and on disk (requirement I9)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

FRESH_SECONDS = 300.0
"""How old keys may be and still be believed unasked. Admin signs with a key only when it was published for longer."""
RENEW_SECONDS = 240.0
"""From then on they are renewed behind the requests' back, so that in steady use none ever waits."""
REFETCH_SECONDS = 5.0
"""At most one fetch in this time: unknown key ids in forged tokens must not become a flood towards admin."""

FETCH_SECONDS = 5.0
_COUNTED_AS = {"artstore_dependency": "jwks"}
"""For the metrics of calls (artstore_kit.calls): the client may be one for other calls to admin as well."""


class KeySource(Protocol):
    """Where a verifier gets keys from."""

    async def find(self, kid: str) -> RSAKey | None:
        """The key of this id, None when there is none. Raises NoKeys when no key could be had at all."""
        ...


class NoKeys(Exception):
    """Whether there is such a key cannot be said: admin cannot be asked now, and what is known is old, or nothing."""


def parse_jwks(document: Mapping[str, Any]) -> dict[str, RSAKey]:
    """The RSA signing keys of a JWK set by id; others are passed over (RFC 7517 §5). Raises ValueError."""
    keys: dict[str, RSAKey] = {}
    try:
        for entry in document["keys"]:
            if entry.get("kty") == "RSA" and entry.get("use", "sig") == "sig" and "kid" in entry:
                keys[entry["kid"]] = RSAKey.import_key(entry)
    except (KeyError, TypeError, AttributeError, JoseError) as error:
        raise ValueError("not a JWK set") from error
    return keys


class RemoteKeys:
    """Keys of one JWKS URL.

    Keys are never older than `fresh_seconds` while the URL can be reached: a service that nobody asked anything for
    long fetches before it believes a key that may have been withdrawn meanwhile. Stale keys keep working while it
    cannot be reached: admin being down must stop nobody. An unknown key is fetched at once.
    """

    def __init__(
        self,
        url: str,
        client: httpx.AsyncClient,
        *,
        cache_file: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        fresh_seconds: float = FRESH_SECONDS,
        refetch_seconds: float = REFETCH_SECONDS,
    ) -> None:
        self._url, self._client, self._cache_file, self._clock = url, client, cache_file, clock
        self._fresh_seconds, self._refetch_seconds = fresh_seconds, refetch_seconds
        self._renew_seconds = fresh_seconds * RENEW_SECONDS / FRESH_SECONDS
        self._keys: dict[str, RSAKey] = {}
        self._failed = False
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._lock = asyncio.Lock()
        self._loaded = False
        self._background: asyncio.Task[None] | None = None

    async def find(self, kid: str) -> RSAKey | None:
        if not self._loaded:
            await self._load_once()
        age = self._age(self._fetched_at)
        if kid not in self._keys or (age >= self._fresh_seconds and not self._failed):
            await self._refresh()
        elif age >= self._renew_seconds and self._may_try():
            # Nobody waits for this one: where admin did not answer a moment ago, stale keys are as good as it gets.
            self._background = asyncio.create_task(self._refresh())
        key = self._keys.get(kid)
        if key is None and self._age(self._fetched_at) >= self._fresh_seconds:
            raise NoKeys  # it may have been published since
        return key

    async def probe(self) -> None:
        """For readiness: raises when the keys cannot be fetched now, whatever is cached."""
        await self._fetch()

    async def _refresh(self) -> None:
        async with self._lock:
            if not self._may_try():
                return
            try:
                await self._fetch()
            except (httpx.HTTPError, ValueError, TimeoutError):
                self._failed = True  # what is cached goes on serving; readiness tells of it

    async def _load_once(self) -> None:
        async with self._lock:
            if not self._loaded:
                self._keys = await asyncio.to_thread(self._load)
                self._loaded = True

    def _may_try(self) -> bool:
        return self._age(self._tried_at) >= self._refetch_seconds

    async def _fetch(self) -> None:
        self._tried_at = self._clock()
        async with asyncio.timeout(FETCH_SECONDS):
            response = await self._client.get(self._url, headers={"Accept": "application/json"}, extensions=_COUNTED_AS)
        response.raise_for_status()
        keys = parse_jwks(response.json())
        if not keys:
            raise ValueError("an empty JWK set")
        changed = keys.keys() != self._keys.keys()
        self._keys, self._fetched_at, self._loaded, self._failed = keys, self._tried_at, True, False
        if changed and self._cache_file is not None:
            with contextlib.suppress(OSError):  # a full disk costs a restart without admin, and no request
                await asyncio.to_thread(self._save, response.content)

    def _age(self, moment: float | None) -> float:
        return float("inf") if moment is None else self._clock() - moment

    def _load(self) -> dict[str, RSAKey]:
        if self._cache_file is None:
            return {}
        try:
            return parse_jwks(json.loads(self._cache_file.read_bytes()))
        except (OSError, ValueError):
            return {}  # a missing or torn cache is no cache

    def _save(self, content: bytes) -> None:
        assert self._cache_file is not None
        self._cache_file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._cache_file.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(self._cache_file)


class StaticKeys:
    """Keys given once: admin's own, and tests'."""

    def __init__(self, keys: Mapping[str, RSAKey]) -> None:
        self._keys = keys

    async def find(self, kid: str) -> RSAKey | None:
        return self._keys.get(kid)
