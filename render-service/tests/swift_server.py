"""A real S3 server for tests: OpenStack Swift with its `s3api`, four processes and a memcached, in one directory.

Where a part of it is not to be had, `missing` says which.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from artstore_testing.servers import free_port

ACCESS, SECRET = "test:tester", "testing"
START_SECONDS = 60.0
_BIN = Path(sys.executable).parent
_PROXY = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
swift_dir = {root}
user = {user}
log_name = proxy
log_level = ERROR
workers = 0
[pipeline:main]
pipeline = catch_errors gatekeeper cache s3api tempauth slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memcached}
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
min_segment_size = 5242880
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
"""
_STORAGE = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
swift_dir = {root}
devices = {root}/devices
mount_check = false
user = {user}
log_name = {kind}
log_level = ERROR
workers = 0
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""
_SWIFT = """
[swift-hash]
swift_hash_path_prefix = artstore
swift_hash_path_suffix = tests
[storage-policy:0]
name = one
default = yes
"""

_RINGS = """
import json, sys
from swift.common.ring import RingBuilder
root, kinds = sys.argv[1], json.loads(sys.argv[2])
for kind, port in kinds.items():
    builder = RingBuilder(4, 1, 0)
    builder.add_dev({"id": 0, "region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": "d1", "weight": 1.0,
                     "replication_ip": "127.0.0.1", "replication_port": port, "meta": ""})
    builder.rebalance()
    builder.get_ring().save(f"{root}/{kind}.ring.gz")
"""


def missing() -> str | None:
    """What this machine lacks, for the reason of a skip."""
    if importlib.util.find_spec("swift") is None:
        return "no S3 server: the package swift is not installed"
    if shutil.which("memcached") is None:
        return "no S3 server: memcached is not installed"
    return None


@contextmanager
def running_swift(root: Path) -> Iterator[str]:
    """Gives the url of the S3 endpoint."""
    user = _user()
    ports = {kind: free_port() for kind in ("account", "container", "object", "proxy", "memcached")}
    (root / "devices" / "d1").mkdir(parents=True)
    (root / "swift.conf").write_text(_SWIFT)
    for kind in ("account", "container", "object"):
        (root / f"{kind}.conf").write_text(_STORAGE.format(root=root, port=ports[kind], kind=kind, user=user))
    _make_rings(root, ports)
    (root / "proxy.conf").write_text(
        _PROXY.format(root=root, port=ports["proxy"], memcached=ports["memcached"], user=user)
    )
    # Under root memcached wants to be told that it may stay root.
    memcached = ["memcached", "-l", "127.0.0.1", "-p", str(ports["memcached"]), "-U", "0", "-u", user]
    commands = [memcached] + [
        [str(_BIN / f"swift-{kind}-server"), str(root / f"{kind}.conf")]
        for kind in ("account", "container", "object", "proxy")
    ]
    with ExitStack() as stack:
        processes = [stack.enter_context(_process(command, root)) for command in commands]
        for port in ports.values():
            _wait(port, processes, root)
        yield f"http://127.0.0.1:{ports['proxy']}"


def _user() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def _make_rings(root: Path, ports: dict[str, int]) -> None:
    """All of them in one process: to start one takes longer than to make them."""
    kinds = {kind: ports[kind] for kind in ("account", "container", "object")}
    command = [sys.executable, "-W", "ignore", "-c", _RINGS, str(root), json.dumps(kinds)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=START_SECONDS)


@contextmanager
def _process(command: list[str], root: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {"SWIFT_TEST_CONFIG_FILE": "", "PYTHONWARNINGS": "ignore"}
    with (root / f"{Path(command[0]).name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(port: int, processes: list[subprocess.Popen[bytes]], root: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if time.monotonic() > deadline or any(process.poll() is not None for process in processes):
            said = "\n".join(path.read_text(errors="replace")[-2000:] for path in root.glob("*.log"))
            raise RuntimeError(f"the S3 server did not start: {said}")
        time.sleep(0.05)  # nobody tells when a port is open
