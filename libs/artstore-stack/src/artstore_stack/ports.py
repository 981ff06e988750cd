"""Every port of a stack, counted from one base so that stacks stand side by side."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from artstore_stack.errors import StackError
from artstore_stack.parts import Part

DEFAULT_BASE = 8000
_OFFSETS = {
    Part.ADMIN: 0,
    Part.SE_EDIT: 10,
    Part.SE_RW: 11,
    Part.INGESTER: 20,
    Part.QUERY: 30,
    Part.RENDER: 40,
    Part.RENDER_WORKER: 41,
    Part.ENVOY: 80,
    Part.POSTGRES: 90,
}
_TLS_OFFSET, _CONTROL_OFFSET = 81, 91
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports of one stack, all on loopback."""

    base: int = DEFAULT_BASE

    def __post_init__(self) -> None:
        if not 1024 <= self.base <= 65535 - _CONTROL_OFFSET:
            raise StackError(f"ARTSTORE_PORT_BASE must be between 1024 and {65535 - _CONTROL_OFFSET}")

    def of(self, part: Part) -> int:
        return self.base + _OFFSETS[part]

    @property
    def gateway_tls(self) -> int:
        return self.base + _TLS_OFFSET

    @property
    def envoy_control(self) -> int:
        """Envoy's own admin interface."""
        return self.base + _CONTROL_OFFSET

    def named(self) -> dict[str, int]:
        """Every port with the name of what listens on it."""
        parts = {part.value: self.of(part) for part in _OFFSETS}
        return {**parts, "gateway, TLS": self.gateway_tls, "envoy control": self.envoy_control}

    def must_be_free(self) -> None:
        """Raises StackError naming the ports that somebody else holds."""
        taken = [f"{port} ({name})" for name, port in self.named().items() if not _free(port)]
        if taken:
            raise StackError(
                f"port {', '.join(taken)} is taken by another program. Choose other ports with "
                f"ARTSTORE_PORT_BASE, for example: make up ARTSTORE_PORT_BASE={self.base + 1000}"
            )


def _free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do it: a connection that is still closing does not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
