"""A listener between a client and the gateway: sees what is asked, counts what comes back, and cuts where it is told."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Final
from urllib.parse import urlsplit

_REQUEST: Final = re.compile(rb"(GET|HEAD) (\S+) HTTP/1\.1\r\n(.*?)\r\n\r\n", re.DOTALL)
_CHUNK: Final = 64 * 1024


@dataclass(frozen=True)
class Seen:
    """A request without a body, as it was on the wire."""

    method: str
    target: str
    headers: dict[str, str]

    @property
    def range(self) -> str | None:
        return self.headers.get("range")


@dataclass
class Between:
    """`cut_after`: how many bytes each connection of the first `cuts` may bring to the client, headers and all."""

    url: str
    cut_after: int = 0
    cuts: int = 0
    down: int = 0
    _sent: list[bytearray] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def requests(self) -> list[Seen]:
        return [_seen(found) for sent in self._sent for found in _REQUEST.finditer(bytes(sent))]

    @property
    def ranges(self) -> list[str]:
        return [asked.range for asked in self.requests if asked.range is not None]

    def connected(self) -> tuple[bytearray, int | None]:
        """Where to keep what the client sends, and how much may come back."""
        with self._lock:
            self._sent.append(bytearray())
            self.cuts -= 1
            return self._sent[-1], self.cut_after if self.cuts >= 0 else None

    def brought(self, count: int) -> None:
        with self._lock:
            self.down += count


def _seen(found: re.Match[bytes]) -> Seen:
    lines = [line.partition(":") for line in found[3].decode("latin-1").split("\r\n")]
    return Seen(found[1].decode(), found[2].decode(), {name.lower(): value.strip() for name, _, value in lines})


@contextmanager
def between(target: str, *, cut_after: int = 0, cuts: int = 0) -> Iterator[Between]:
    """In front of `target`, an http url, until the block ends."""
    parts = urlsplit(target)
    assert parts.scheme == "http"
    there = (parts.hostname or "", parts.port or 80)

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(there) as onward:
                _pass_both_ways(self.request, onward, found)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        found = Between(f"http://127.0.0.1:{server.server_address[1]}", cut_after, cuts)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


def _pass_both_ways(client: socket.socket, onward: socket.socket, found: Between) -> None:
    sent, allowed = found.connected()
    asking = threading.Thread(target=_pass_requests, args=(client, onward, sent), daemon=True)
    asking.start()
    with suppress(OSError):
        while allowed != 0 and (piece := onward.recv(_CHUNK if allowed is None else min(_CHUNK, allowed))):
            client.sendall(piece)
            found.brought(len(piece))
            allowed = None if allowed is None else allowed - len(piece)
    for end in (client, onward):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
    asking.join()


def _pass_requests(client: socket.socket, onward: socket.socket, sent: bytearray) -> None:
    with suppress(OSError):
        while piece := client.recv(_CHUNK):
            sent += piece
            onward.sendall(piece)
    with suppress(OSError):
        onward.shutdown(socket.SHUT_RDWR)
