"""Connections to storage elements, and to who says that it is one: only to addresses that are allowed (requirement R1).

A name is resolved once for each connection; the answer is checked, and the connection goes to the very address that was
checked. So a name that leads elsewhere a moment later gains nothing. TLS and `Host` keep the name.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from typing import Any, Final

import httpcore
import httpx

from admin_service.registry.addresses import Address, Networks, literal_address

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
"""host, port → its addresses. Raises OSError."""

ADDRESSES_AT_MOST: Final = 4
"""Of one name's addresses so many are tried, one after the other."""
RESOLVING_AT_ONCE: Final = 8
_HTTPCORE: Final = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    httpcore.UnsupportedProtocol,
)


class NotResolved(httpx.ConnectError):
    """The name leads nowhere."""


class AddressRefused(httpx.ConnectError):
    """The name leads only to addresses that may not be called."""


class SystemResolver:
    """The system's, in threads of its own: a slow name server must not keep others from theirs."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVING_AT_ONCE, "resolve")

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        def ask() -> list[Address]:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            # An address with a zone (`fe80::1%eth0`) is link-local, which is refused without it as well.
            return list(dict.fromkeys(ip_address(str(where[4][0]).partition("%")[0]) for where in found))

        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class PinnedBackend(httpcore.AsyncNetworkBackend):
    """Resolves, checks, and connects to what was checked."""

    def __init__(self, networks: Networks, resolve: Resolve) -> None:
        self._networks, self._resolve = networks, resolve
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception = AddressRefused("no address that may be called")
        for address in await self._allowed(host, port):
            try:
                way = await self._network.connect_tcp(str(address), port, timeout, local_address, socket_options)
                return _BeforeTls(way)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore.AsyncNetworkStream:
        raise AddressRefused("not a network address")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _allowed(self, host: str, port: int) -> Sequence[Address]:
        literal = literal_address(host)
        try:
            addresses = [literal] if literal is not None else await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise NotResolved("no such name") from error
        return [address for address in addresses if self._networks.allow(address)][:ADDRESSES_AT_MOST]


class _BeforeTls(httpcore.AsyncNetworkStream):
    """A connection whose TLS handshake may be cancelled: httpcore closes it after an error alone, and would leave it to the
    garbage collector when a deadline ends the call."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        try:
            return await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            await self._stream.aclose()
            raise


class PinnedTransport(httpx.AsyncBaseTransport):
    """httpx's way to the network through a PinnedBackend. Connections are kept by name, never shared between names."""

    def __init__(
        self,
        networks: Networks,
        tls: ssl.SSLContext,
        resolve: Resolve,
        *,
        max_connections: int,
        keep_seconds: float,
    ) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=max_connections,
            max_keepalive_connections=max_connections if keep_seconds else 0,
            keepalive_expiry=keep_seconds,
            network_backend=PinnedBackend(networks, resolve),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.AsyncByteStream)
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        wanted = httpcore.Request(
            request.method, url, headers=request.headers.raw, content=request.stream, extensions=request.extensions
        )
        with _as_httpx():
            answer = await self._pool.handle_async_request(wanted)
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions)

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx():
            async for piece in self._answer.aiter_stream():
                yield piece

    async def aclose(self) -> None:
        with _as_httpx():
            await self._answer.aclose()


@contextmanager
def _as_httpx() -> Iterator[None]:
    """httpcore's errors are httpx's by the same names."""
    try:
        yield
    except _HTTPCORE as error:
        kind: type[httpx.TransportError] = getattr(httpx, type(error).__name__, httpx.TransportError)
        raise kind(str(error)) from error


Through = Callable[[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport]


def pinned_client(
    networks: Networks,
    tls: ssl.SSLContext,
    resolve: Resolve,
    *,
    max_connections: int,
    keep_seconds: float,
    through: Through = lambda way: way,
) -> httpx.AsyncClient:
    """Follows no redirects, reads nothing from the environment, takes and sends no cookies, unpacks nothing. `through`
    may put something round the way to the network."""
    way = PinnedTransport(networks, tls, resolve, max_connections=max_connections, keep_seconds=keep_seconds)
    return httpx.AsyncClient(
        transport=through(way),
        follow_redirects=False,
        trust_env=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        headers={"User-Agent": "artstore-admin", "Accept": "application/json", "Accept-Encoding": "identity"},
    )
