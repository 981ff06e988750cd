"""Where storage elements may be: the form of their URLs, and the addresses that admin may call at all (requirement R1).

Whoever may register an element makes admin call out. These rules keep such calls from what only admin can reach.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Annotated, Final

from pydantic import AfterValidator

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PUBLIC: Final = "public"
"""Stands for every address that the whole Internet can reach."""

_NEVER: Final[tuple[Network, ...]] = tuple(
    ip_network(one)
    for one in (
        "0.0.0.0/8",  # unspecified: on Linux, this host
        "169.254.0.0/16",  # link-local, and the clouds' metadata
        "100.100.100.200/32",  # metadata of Alibaba Cloud,
        "168.63.129.16/32",  # of Azure,
        "192.0.0.192/32",  # of Oracle Cloud
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "::/128",
        "fe80::/10",
        "fec0::/10",  # site-local, which RFC 3879 took back
        "fd00:ec2::/32",  # metadata of AWS,
        "fd20:ce::254/128",  # of Google Cloud
        "ff00::/8",
        "2001::/32",  # Teredo (RFC 4380) and
        "2002::/16",  # 6to4 (RFC 3056) lead to an IPv4 address by way of a relay
        "64:ff9b:1::/48",  # NAT64 of somebody's own (RFC 8215): where it leads to is not told by the address
    )
)
_GLOBAL_UNICAST: Final = ip_network("2000::/3")
_NAT64: Final = ip_network("64:ff9b::/96")  # RFC 6052 §2.1
_IPV4_COMPATIBLE: Final = ip_network("::/96")  # RFC 4291 §2.5.5.1
_LOOPBACK: Final = IPv6Address("::1")

_URL: Final = re.compile(r"https://(?P<host>[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?/?")
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_HTTPS: Final = 443


class Networks:
    """What admin may call: CIDRs, and the word `public`. What is not listed is refused; some addresses always are."""

    def __init__(self, listed: Iterable[str] = (PUBLIC,)) -> None:
        """Raises ValueError for what is neither a network nor `public`."""
        names = list(listed)
        self._public = PUBLIC in names
        self._networks = [ip_network(name) for name in names if name != PUBLIC]

    def allow(self, address: Address) -> bool:
        """An IPv6 address that stands for an IPv4 one is judged as that one."""
        real = _embedded(address)
        if any(real in network for network in _NEVER):
            return False
        return any(real in network for network in self._networks) or (self._public and _is_public(real))


def element_url(text: str) -> str:
    """In its one form: `https://host[:port]`, lower case, without the port 443. Raises ValueError.

    Any port from 1 on may be named: an element may be behind anybody's port forwarding. What may be called is bounded by
    the address, and by TLS with a certificate of the configured CA.
    """
    match = _URL.fullmatch(text)
    host = _host(match["host"].lower()) if match else None
    if match is None or host is None:
        raise ValueError("must be https://host or https://host:port, and nothing more")
    port = int(match["port"] or _HTTPS)
    if not 1 <= port <= 65535:
        raise ValueError("the port must be between 1 and 65535")
    return f"https://{host}" if port == _HTTPS else f"https://{host}:{port}"


ElementUrl = Annotated[str, AfterValidator(element_url)]


def _host(host: str) -> str | None:
    """A name, an IPv4 address of four decimals or a bracketed IPv6 address; None for what is none of these.

    Resolvers also take `2130706433`, `0177.1` and `0x7f.1` for addresses. A name never ends in a number.
    """
    try:
        if host.startswith("["):
            return f"[{IPv6Address(host[1:-1])}]"
        labels = host.split(".")
        if _NUMBER.fullmatch(labels[-1]):
            return str(IPv4Address(host))
    except AddressValueError:
        return None
    return host if all(_LABEL.fullmatch(label) for label in labels) else None


def literal_address(host: str) -> Address | None:
    """The address that a host is, without asking anybody; None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def _embedded(address: Address) -> Address:
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    compatible = address in _IPV4_COMPATIBLE and address != _LOOPBACK and int(address) != 0
    return IPv4Address(int(address) & 0xFFFF_FFFF) if compatible or address in _NAT64 else address


def _is_public(address: Address) -> bool:
    return address.is_global and (isinstance(address, IPv4Address) or address in _GLOBAL_UNICAST)
