"""Whether bytes could be given out now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from artstore_core.errors import StorageUnavailable
from artstore_kit.health import Unhealthy

ListElements = Callable[[], Awaitable[dict[str, str]]]
ProbeElement = Callable[[str], Awaitable[None]]
_PROBE_SECONDS = 1.5


class StorageProbe:
    """Asks every element; those seen last when the registry cannot be read, for that is another check's finding."""

    def __init__(self, elements: ListElements, probe: ProbeElement) -> None:
        self._elements, self._probe = elements, probe
        self._seen: dict[str, str] = {}

    async def __call__(self) -> None:
        try:
            async with asyncio.timeout(_PROBE_SECONDS / 3):
                self._seen = await self._elements()
        except (StorageUnavailable, TimeoutError):
            pass
        answers = await asyncio.gather(*(self._one(url) for url in self._seen.values()))
        silent = [name for name, answered in zip(self._seen, answers, strict=True) if not answered]
        if silent:
            raise Unhealthy("; ".join(f"{name} does not answer" for name in silent))

    async def _one(self, url: str) -> bool:
        try:
            async with asyncio.timeout(_PROBE_SECONDS * 2 / 3):
                await self._probe(url)
        except Exception:  # noqa: BLE001  whatever goes wrong there, it does not answer
            return False
        return True
