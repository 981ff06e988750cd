"""Where a request comes from: the client's address, also behind the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

Network = IPv4Network | IPv6Network
LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


class ClientAddress:
    """Puts the client's address in the place of a trusted proxy's: `request.client` then means what it says.

    Believed is the last entry of X-Forwarded-For, the one that the proxy added for what it saw itself. All before it is the
    client's own word. From anybody else the header counts for nothing.
    """

    def __init__(self, app: ASGIApp, trusted: Sequence[Network]) -> None:
        self._app, self._trusted = app, trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._is_trusted(scope.get("client")):
            told = Headers(scope=scope).getlist("x-forwarded-for")
            if told and (address := _address(told[-1].rpartition(",")[2])):
                scope["client"] = (address, 0)
        await self._app(scope, receive, send)

    def _is_trusted(self, client: tuple[str, int] | None) -> bool:
        address = _address(client[0]) if client else None
        return address is not None and any(ip_address(address) in network for network in self._trusted)


def _address(text: str) -> str | None:
    """In its one spelling; an IPv4 address in IPv6's clothes is an IPv4 address. None for what is no address."""
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)
