"""The URLs of a local stack's parts."""

from __future__ import annotations

from pathlib import Path

from artstore_stack.accounts import Addresses
from artstore_stack.parts import ELEMENTS, SERVICES, Part
from artstore_stack.ports import HOST, Ports


def service_url(part: Part, ports: Ports) -> str:
    return f"http://{HOST}:{ports.of(part)}"


def element_url(part: Part, ports: Ports) -> str:
    return f"https://{HOST}:{ports.of(part)}"


def element_urls(ports: Ports) -> dict[str, str]:
    """URL by storage id."""
    return {part.value: element_url(part, ports) for part in ELEMENTS}


def issuer(ports: Ports) -> str:
    """The gateway's TLS address is the `iss` of every token."""
    return f"https://{HOST}:{ports.gateway_tls}"


def addresses(ports: Ports, data_dir: Path, database_url: str) -> Addresses:
    """What `credentials.json` says. `data_dir` as the caller named it: relative paths stay relative."""
    return Addresses(
        gateway=f"http://{HOST}:{ports.of(Part.ENVOY)}",
        gateway_tls=issuer(ports),
        services={part.value: service_url(part, ports) for part in SERVICES},
        elements=element_urls(ports),
        ca=str(data_dir / "tls" / "ca.crt"),
        database_url=database_url,
        data_dir=str(data_dir),
    )
