"""OpenStack Swift as one node: proxy, account, container and object server, one replica, tempauth, tokens in memcached.

Its object server hashes (MD5), flushes and then renames. Workers: one a core for proxy and objects, as its documentation
says; the rest as its defaults are.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import httpx
from artstore_testing.servers import free_port

from bench.storage_servers import Server, installed

_HASH = "[swift-hash]\nswift_hash_path_prefix = bench\nswift_hash_path_suffix = bench\n"
_BACKEND = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
devices = {devices}
swift_dir = {directory}
mount_check = false
user = {user}
workers = {workers}
log_level = ERROR
recon_cache_path = {directory}

[pipeline:main]
pipeline = {kind}-server

[app:{kind}-server]
use = egg:swift#{kind}
"""
_PROXY = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
swift_dir = {directory}
user = {user}
workers = {workers}
log_level = ERROR

[pipeline:main]
pipeline = catch_errors cache tempauth proxy-server

[filter:catch_errors]
use = egg:swift#catch_errors

[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memcached}

[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
"""


@dataclass(frozen=True)
class Swift:
    """Its processes, the proxy's last."""

    servers: list[Server]

    @property
    def proxy(self) -> Server:
        return self.servers[-1]


def find_swift(venv: Path) -> Path | None:
    """The directory with Swift's programs, if it can be had."""
    programs = installed(venv, "swift").parent
    return programs if (programs / "swift-proxy-server").exists() and shutil.which("memcached") else None


def swift(programs: Path, directory: Path) -> Swift:
    """One device, in `directory`, which is made."""
    (directory / "devices" / "d1").mkdir(parents=True)
    (directory / "swift.conf").write_text(_HASH)
    user, cores = pwd.getpwuid(os.geteuid()).pw_name, os.cpu_count() or 1
    memcached = free_port()
    cache = ["memcached", "-l", "127.0.0.1", "-p", str(memcached), "-U", "0", "-u", user]
    servers = [_server("memcached", cache, memcached, directory)]
    for kind in ("account", "container", "object"):
        port, workers = free_port(), cores if kind == "object" else 1
        _ring(programs, directory, kind, port)
        text = _BACKEND.format(
            port=port, devices=directory / "devices", directory=directory, user=user, workers=workers, kind=kind
        )
        servers.append(_configured(programs, directory, kind, port, text))
    port = free_port()
    text = _PROXY.format(port=port, directory=directory, user=user, workers=cores, memcached=memcached)
    servers.append(_configured(programs, directory, "proxy", port, text))
    return Swift(servers)


def signed_in(url: str) -> tuple[str, dict[str, str]]:
    """The path of a container that was made just now, and the headers that open it. `url`: where Swift is reached."""
    answer = httpx.get(f"{url}/auth/v1.0", headers={"X-Auth-User": "test:tester", "X-Auth-Key": "testing"}, timeout=30)
    headers = {"X-Auth-Token": answer.raise_for_status().headers["x-auth-token"]}
    path = f"{httpx.URL(answer.headers['x-storage-url']).path}/bench"
    httpx.put(url + path, headers=headers, timeout=30).raise_for_status()
    return path, headers


def _ring(programs: Path, directory: Path, kind: str, port: int) -> None:
    builder = [str(programs / "swift-ring-builder"), str(directory / f"{kind}.builder")]
    for words in (["create", "8", "1", "1"], ["add", f"r1z1-127.0.0.1:{port}/d1", "1"], ["rebalance"]):
        subprocess.run([*builder, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


def _configured(programs: Path, directory: Path, kind: str, port: int, text: str) -> Server:
    path = directory / f"{kind}-server.conf"
    path.write_text(text)
    # Its servers import the packages of their own environment.
    return _server(kind, [str(programs / f"swift-{kind}-server"), str(path)], port, directory)


def _server(name: str, command: list[str], port: int, directory: Path) -> Server:
    return Server(name, command, port, "/%s", "/%s", directory / f"{name}.log", tls=False)
