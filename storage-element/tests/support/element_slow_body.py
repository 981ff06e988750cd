"""A body that stops in its middle until it is told to go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

MIB = 1024 * 1024


class SlowBody:
    """2 MiB; `under_way` is set after the first."""

    def __init__(self) -> None:
        self.under_way, self.go_on = asyncio.Event(), asyncio.Event()

    async def pieces(self) -> AsyncIterator[bytes]:
        yield bytes(MIB)
        self.under_way.set()
        await self.go_on.wait()
        yield bytes(MIB)
