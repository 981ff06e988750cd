"""A way to the gateway that a test holds up, cuts and mends, so that nothing depends on how fast anything is."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_PIECE = 64 * 1024


class HeldWay:
    """Passes connections on to `port` of this machine, and the first `room` bytes of what clients send; then it holds
    what comes until it is cut. While it is cut, connections are closed as soon as they are made."""

    def __init__(self, port: int, room: int) -> None:
        self._port, self._room = port, room
        self._lock, self._cut, self._free = threading.Lock(), False, threading.Event()
        self._open: list[socket.socket] = []
        self._passing: list[threading.Thread] = []
        self._serving = threading.Thread(target=self._serve, daemon=True)
        self.held = threading.Event()
        """Set once all the room is used up."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self) -> None:
        with self._lock:
            self._cut = True
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        self._free.set()

    def mend(self) -> None:
        """From now on everything gets through."""
        with self._lock:
            self._cut = False

    def start(self) -> None:
        self._serving.start()

    def _serve(self) -> None:
        """Until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                thread = threading.Thread(target=self._pass_on, args=(self._listener.accept()[0],), daemon=True)
                self._passing.append(thread)
                thread.start()

    def close(self) -> None:
        self.cut()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in (self._serving, *self._passing):
            thread.join()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._port)) as server:
            with self._lock:
                self._open += [client, server]
                if self._cut:
                    return
            back = threading.Thread(target=self._pump, args=(server, client, False), daemon=True)
            back.start()
            self._pump(client, server, True)
            back.join()

    def _pump(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(_PIECE):
                if counted and not self._free.is_set():
                    self._wait_for_room(len(piece))
                target.sendall(piece)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _wait_for_room(self, size: int) -> None:
        with self._lock:
            self._room -= size
            if self._room >= 0:
                return
        self.held.set()
        self._free.wait()


@contextmanager
def held_way(port: int, room: int) -> Iterator[HeldWay]:
    way = HeldWay(port, room)
    way.start()
    try:
        yield way
    finally:
        way.close()
