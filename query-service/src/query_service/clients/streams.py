"""An element's answer, and the same answer gone on with when the element breaks off."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import httpx
from artstore_core.errors import ArtStoreError, StorageUnavailable, UpstreamFailed
from artstore_kit.logs import get_logger
from artstore_transfer import pieces

from query_service.metrics import QueryMetrics

_log = get_logger(__name__)

MAX_RESUMES: Final = 20
"""Of one download."""
HOLD_SECONDS: Final = 0.2
"""How long bytes may wait to be enough for a send. Over a thin line a whole piece takes many seconds."""
_SHOWN: Final = (
    "accept-ranges", "cache-control", "content-disposition", "content-length", "content-range",
    "content-digest", "content-security-policy", "content-type", "etag", "last-modified", "repr-digest", "vary",
)  # fmt: skip
"""What the element says of the file. Everything else is between the services."""
_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19})")


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes from `start` to `stop` (which is not in it) of `total`, of the file with this strong entity tag."""

    start: int
    stop: int
    total: int
    etag: str

    def rest(self, at: int) -> Part:
        return Part(at, self.stop, self.total, self.etag)

    @property
    def asked(self) -> dict[str, str]:
        """If-Match and not If-Range: another file's bytes shall be refused, not sent whole (RFC 9110 §13.1.1, §13.1.5)."""
        return {"range": f"bytes={self.start}-{self.stop - 1}", "if-match": self.etag}


def part_of(response: httpx.Response) -> Part | None:
    """What the answer holds; None where it does not say that for certain."""
    etag, length = response.headers.get("etag", ""), response.headers.get("content-length", "")
    if not etag.startswith('"') or not length.isdecimal():
        return None
    if response.status_code == httpx.codes.OK:
        return Part(0, int(length), int(length), etag)
    if found := _CONTENT_RANGE.fullmatch(response.headers.get("content-range", "")):
        start, last, total = map(int, found.groups())
        if last + 1 - start == int(length):
            return Part(start, last + 1, total, etag)
    return None


class OpenedElement:
    """files.download.Opened over an httpx response whose body was not read yet.

    `reopen` asks for what is left of a part, and raises unless it gets just that.
    """

    def __init__(
        self, response: httpx.Response, reopen: Callable[[Part], Awaitable[httpx.Response]], metrics: QueryMetrics
    ) -> None:
        self._response, self._reopen, self._metrics = response, reopen, metrics
        self._part = part_of(response)
        self.status = response.status_code
        self.headers = {name: value for name in _SHOWN if (value := response.headers.get(name)) is not None}

    def pieces(self) -> AsyncGenerator[bytes, None]:
        return pieces(self._bytes(), patience=HOLD_SECONDS)

    async def whole(self, most: int) -> bytes:
        content = bytearray()
        try:
            async for chunk in self._bytes():
                content += chunk
                if len(content) > most:
                    raise UpstreamFailed("The storage element gave more bytes than were stored")
        except httpx.TransportError as broken:
            raise StorageUnavailable("The storage element broke off, and does not go on") from broken
        return bytes(content)

    async def close(self) -> None:
        await self._response.aclose()

    async def _bytes(self) -> AsyncIterator[bytes]:
        """The body, over as many answers as it takes. Each byte is counted as it is handed on, so none comes twice."""
        sent = 0
        for resumes in range(MAX_RESUMES + 1):
            try:
                async for chunk in self._response.aiter_raw():
                    sent += len(chunk)
                    yield chunk
                return
            except httpx.TransportError as broken:
                if self._part is None or resumes == MAX_RESUMES:
                    raise
                at = self._part.start + sent
                if at == self._part.stop:
                    return
                await self._go_on(self._part.rest(at), broken)

    async def _go_on(self, part: Part, broken: httpx.TransportError) -> None:
        _log.warning("an element broke off", at=part.start, of=part.total, reason=type(broken).__name__)
        await self._response.aclose()
        try:
            self._response = await self._reopen(part)
        except ArtStoreError as refused:
            self._metrics.broken.inc()
            _log.warning("a download cannot go on", at=part.start, of=part.total, reason=refused.code)
            # The answer has begun: only a connection that breaks tells the client that it is not whole.
            raise broken from refused
        self._metrics.resumes.inc()
