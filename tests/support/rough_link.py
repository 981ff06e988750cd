"""A TCP link between clients and the gateway that can be cut, kept cut, and held still at a given byte.

Bytes are counted as they come from the client, on the wire (so TLS and headers count, about half a per cent).
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

_PIECE: Final = 256 * 1024
_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER of nought seconds: closing tells the other side that all is lost, as a link that breaks does."""


class RoughLink:
    """Use as a context manager. `port` is where clients connect; `target` where they get to."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._changed = threading.Condition()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._listener: socket.socket | None = None
        self._hold_at: int | None = None
        self.port = 0
        self.sent = 0
        self.connections = 0

    def __enter__(self) -> Self:
        self.restore()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        self.cut()

    def cut(self) -> None:
        """Every connection breaks, and no new one is taken until `restore`."""
        with self._changed:
            listener, self._listener = self._listener, None
            pairs = list(self._pairs)
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes whoever accepts; closing alone does not
            listener.close()
        for pair in pairs:
            _reset(*pair)

    def restore(self) -> None:
        """Connections are taken again, on the port that it was."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _PIECE)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(128)
        self.port = listener.getsockname()[1]
        with self._changed:
            self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def hold_from(self, count: int) -> None:
        """When so many bytes came in all, what comes then is held until `release`: what happens meanwhile happens in the
        middle, on any machine."""
        with self._changed:
            self._hold_at = count

    def holds(self, seconds: float) -> bool:
        """Whether it holds by then."""
        with self._changed:
            return self._changed.wait_for(lambda: self._hold_at is not None and self.sent >= self._hold_at, seconds)

    def release(self) -> None:
        with self._changed:
            self._hold_at = None
            self._changed.notify_all()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()  # with the listener's small buffer: what waits here is lost by a cut
                try:
                    far = socket.create_connection(self._target, timeout=10)
                except OSError:
                    _reset(near)
                    continue
                far.settimeout(None)
                with self._changed:
                    self.connections += 1
                    self._pairs.add((near, far))
                threading.Thread(target=self._serve, args=(near, far), daemon=True).start()

    def _serve(self, near: socket.socket, far: socket.socket) -> None:
        down = threading.Thread(target=self._carry, args=(far, near, False), daemon=True)
        down.start()
        self._carry(near, far, True)
        down.join()
        near.close()
        far.close()
        with self._changed:
            self._pairs.discard((near, far))

    def _carry(self, source: socket.socket, sink: socket.socket, up: bool) -> None:
        """Bytes from one side to the other, until either ends."""
        try:
            while piece := source.recv(_PIECE):
                if up:
                    self._count(len(piece))
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            _reset(source, sink)

    def _count(self, length: int) -> None:
        with self._changed:
            self.sent += length
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._hold_at is None or self.sent < self._hold_at)


def _reset(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()
