"""Whether files could be taken in now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from artstore_core.errors import AdminUnavailable
from artstore_core.retention import ELEMENT_MODE
from artstore_kit.health import Unhealthy

from ingester_service.upload.placement import ElementList
from ingester_service.upload.ports import Element

ProbeElement = Callable[[str], Awaitable[None]]
_PROBE_SECONDS = 1.5


class StorageProbe:
    """Asks every element that was writable when admin was last heard; each policy needs one that answers."""

    def __init__(self, elements: ElementList, probe: ProbeElement) -> None:
        self._elements, self._probe = elements, probe
        self._seen: dict[str, Element] = {}

    async def __call__(self) -> None:
        try:
            listed = {mode: await self._elements.get(mode) for mode in ELEMENT_MODE.values()}
            missing = [mode for mode, elements in listed.items() if not elements]
            self._seen = {one.storage_id: one for elements in listed.values() for one in elements}
        except AdminUnavailable:
            missing = []  # told of by admin's own check; the elements seen before are asked all the same
        silent = [name for name, answers in zip(self._seen, await self._answers(), strict=True) if not answers]
        if missing or silent:
            words = [f"no element of mode {mode.value} is online" for mode in missing]
            raise Unhealthy("; ".join(words + [f"{name} does not answer" for name in silent]))

    async def _answers(self) -> list[bool]:
        return await asyncio.gather(*(self._one(element) for element in self._seen.values()))

    async def _one(self, element: Element) -> bool:
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await self._probe(element.url)
        except Exception:  # noqa: BLE001  whatever goes wrong there, it does not answer
            return False
        return True
