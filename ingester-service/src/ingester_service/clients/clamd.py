"""ClamAV's daemon, which looks at a stream of bytes (clamd(8), command INSTREAM).

No library does this: those that are kept up read a blocking file, and lose clamd's answer when it breaks the pipe.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final

from artstore_kit.logs import get_logger

from ingester_service.upload.scanning import Found, ScannerUnavailable, Verdict

_log = get_logger(__name__)
_CONNECT_SECONDS: Final = 5.0
_CHUNK: Final = 256 * 1024
"""Bytes of one chunk, and so of what is on its way at once beside the sockets' own buffers."""
_LONGEST_ANSWER: Final = 4096
_SIZE_LIMIT: Final = "INSTREAM size limit exceeded"
_NOT_ALL_SEEN: Final = "Heuristics.Limits.Exceeded"
"""How clamd calls what it did not look at whole, where its `AlertExceedsMax` is on: that is no virus."""


@dataclass(frozen=True, slots=True)
class ClamdAddress:
    """A unix socket's path, or a host and its port."""

    path: str | None = None
    host: str = ""
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> ClamdAddress:
        """`unix:///run/clamav/clamd.ctl` or `tcp://clamav:3310`. Raises ValueError."""
        scheme, found, rest = text.partition("://")
        if found and scheme == "unix" and rest.startswith("/"):
            return cls(path=rest)
        host, colon, port = rest.rpartition(":")
        if found and scheme == "tcp" and host and colon and port.isascii() and port.isdigit() and 0 < int(port) < 65536:
            return cls(host=host.strip("[]"), port=int(port))
        raise ValueError("must be unix:///path or tcp://host:port")


class Clamd:
    """A Scanner. `patience`: seconds that clamd may take to accept a chunk, and to answer after the last one; `at_once`:
    scans under way, fewer than clamd has threads (`MaxThreads`), where the others wait their turn as long. `timed` goes
    round each scan."""

    def __init__(
        self,
        address: ClamdAddress,
        *,
        patience: float,
        at_once: int,
        timed: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._address, self._patience, self._timed = address, patience, timed
        self._turns = asyncio.Semaphore(at_once)

    async def scan(self, pieces: AsyncIterator[bytes]) -> Verdict:
        async with self._turn():
            with self._timed():
                return await self._scan(pieces)

    async def _scan(self, pieces: AsyncIterator[bytes]) -> Verdict:
        with _away_as_unavailable():
            connection = await _connected(self._address, self._patience)
        try:
            return _verdict(await self._conversation(connection, pieces))
        finally:
            connection.close()

    async def probe(self) -> None:
        """For readiness: raises unless clamd answers."""
        connection = await _connected(self._address, self._patience)
        try:
            await connection.send(b"zPING\0")
            if (answer := await connection.answer()) != "PONG":
                raise ConnectionError(answer)
        finally:
            connection.close()

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        with _away_as_unavailable():
            async with asyncio.timeout(self._patience):
                await self._turns.acquire()
        try:
            yield
        finally:
            self._turns.release()

    async def _conversation(self, connection: _Connection, pieces: AsyncIterator[bytes]) -> str:
        """What clamd says. It may say so before it has all, and then breaks the pipe: that is no failure yet."""
        if await connection.sent(b"zINSTREAM\0"):
            async for piece in pieces:
                if not await _chunks_sent(connection, piece):
                    break
            else:
                await connection.sent(bytes(4))
        with _away_as_unavailable():
            return await connection.answer()


class _Connection:
    """Bare socket calls: a stream of asyncio throws away what was received as soon as sending fails."""

    def __init__(self, connected: socket.socket, patience: float) -> None:
        self._socket, self._patience = connected, patience
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(self._patience):
            await self._loop.sock_sendall(self._socket, data)

    async def sent(self, data: bytes) -> bool:
        """False where the other end reads no more. Raises ScannerUnavailable for one that only does not read on."""
        try:
            await self.send(data)
        except TimeoutError as error:
            raise _unavailable(error) from error
        except OSError:
            return False
        return True

    async def answer(self) -> str:
        """Up to its end, which is a NUL. Raises OSError, TimeoutError."""
        received = b""
        async with asyncio.timeout(self._patience):
            while not received.endswith(b"\0") and len(received) < _LONGEST_ANSWER:
                some = await self._loop.sock_recv(self._socket, _LONGEST_ANSWER)
                if not some:
                    raise ConnectionError("clamd closed the connection")
                received += some
        return received.rstrip(b"\0").decode("utf-8", "replace")

    def close(self) -> None:
        self._socket.close()


async def _chunks_sent(connection: _Connection, piece: bytes) -> bool:
    for start in range(0, len(piece), _CHUNK):
        chunk = piece[start : start + _CHUNK]
        if not await connection.sent(len(chunk).to_bytes(4, "big") + chunk):
            return False
    return True


async def _connected(address: ClamdAddress, patience: float) -> _Connection:
    """Raises OSError, TimeoutError."""
    async with asyncio.timeout(min(_CONNECT_SECONDS, patience)):
        if address.path is not None:
            return _Connection(await _socket(socket.AF_UNIX, address.path), patience)
        failure: OSError = OSError("no address")
        loop = asyncio.get_running_loop()
        for family, _, _, _, target in await loop.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        ):
            try:
                return _Connection(await _socket(family, target), patience)
            except OSError as error:
                failure = error
        raise failure


async def _socket(family: int, target: object) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, target)  # type: ignore[arg-type]  # a path or a tuple
    except BaseException:
        made.close()
        raise
    return made


def _verdict(answer: str) -> Verdict:
    """Raises ScannerUnavailable for what is neither: a scan that failed says nothing of the file."""
    said = answer.removeprefix("stream: ")
    if said == "OK":
        return Verdict(Found.CLEAN)
    if said.endswith(" FOUND"):
        signature = said.removesuffix(" FOUND")
        return Verdict(Found.TOO_LARGE if signature.startswith(_NOT_ALL_SEEN) else Found.INFECTED, signature)
    if said.startswith(_SIZE_LIMIT):
        return Verdict(Found.TOO_LARGE, "StreamMaxLength")
    _log.warning("clamd could not scan a file", answer=answer[:200])
    raise ScannerUnavailable


@contextmanager
def _away_as_unavailable() -> Iterator[None]:
    try:
        yield
    except OSError as error:  # TimeoutError is one
        raise _unavailable(error) from error


def _unavailable(error: OSError) -> ScannerUnavailable:
    _log.warning("clamd does not answer", reason=type(error).__name__)
    return ScannerUnavailable()
