"""All of ArtStore's services as processes of this test's own, those that may have replicas twice, in front of them the stack's
Envoy and a balancer between them. Any of them may be stopped and started again, from another version's Python as well.
"""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
import yaml
from artstore_gateway import GatewaySettings
from artstore_gateway.bootstrap import bootstrap
from artstore_stack import Stack
from artstore_stack.environment import PREFIXES, gateway_settings
from artstore_stack.parts import ELEMENTS, Part
from artstore_stack.ports import Ports
from artstore_stack.tls import LocalCa
from endpoints import HOST, Endpoints, answers, balancer, following
from world import free_port_base

TWICE: Final = (Part.ADMIN, Part.INGESTER, Part.QUERY, Part.RENDER, Part.RENDER_WORKER)
ONCE: Final = (*ELEMENTS, Part.ROUTES)
BALANCED: Final = {Part.ADMIN: 80, Part.INGESTER: 81, Part.QUERY: 90, Part.RENDER: 91}
"""Where each service is to the others: ports of the balancer, from the second base."""
_CONTROL: Final = 10
DRAIN_SECONDS: Final = 6.0
"""Longer than a client inside keeps an idle connection (5 s)."""
NOTICE_SECONDS: Final = 3.0
"""Between the loss of its endpoint and SIGTERM, for a version that cannot drain: a `preStop` sleep."""
READY_SECONDS: Final = 120.0
STOP_SECONDS: Final = 60.0
_COMMANDS: Final = {
    Part.ADMIN: ("admin_service", "serve"),
    Part.SE_EDIT: ("storage_element", "serve"),
    Part.SE_RW: ("storage_element", "serve"),
    Part.INGESTER: ("ingester_service", "serve"),
    Part.QUERY: ("query_service", "serve"),
    Part.RENDER: ("render_service", "serve"),
    Part.RENDER_WORKER: ("render_service", "worker"),
    Part.ROUTES: ("artstore_gateway", "elements"),
}
_VARYING: Final = {1: {Part.QUERY: {"QM_REDIRECT": "internal"}}, 2: {Part.QUERY: {"QM_REDIRECT": "off"}}}
"""One replica of query sends the gateway to the element, the other hands the bytes on: both ways are under load."""

Environment = Mapping[str, str]


@dataclass(frozen=True)
class Version:
    """What the processes of one version are made of. `drains`: it goes on answering for a while once it shall stop."""

    name: str
    python: Path
    environments: Mapping[Part, Environment]
    drains: bool = True


@dataclass
class Replica:
    """One process. `number` counts from 1 within its part; those without a port listen nowhere."""

    part: Part
    number: int
    port: int | None
    log: Path
    version: Version | None = None
    process: subprocess.Popen[bytes] | None = None

    def __str__(self) -> str:
        return f"{self.part} {self.number}" if self.part in TWICE else str(self.part)


@dataclass
class Fleet:
    """`ended_badly`: whoever had to be killed, or said that it failed. `others`: the second base of ports."""

    stack: Stack
    others: Ports
    directory: Path
    ca: ssl.SSLContext
    endpoints: dict[Part, Endpoints]
    replicas: list[Replica] = field(default_factory=list)
    ended_badly: list[str] = field(default_factory=list)
    restarts: int = 0

    def start(self, replica: Replica, version: Version) -> None:
        """Returns once it is ready, and requests go to it. Raises RuntimeError with the last lines of its log."""
        module, word = _COMMANDS[replica.part]
        environment = {**version.environments[replica.part], **self._own(replica, version)}
        with replica.log.open("ab") as log:
            replica.process = subprocess.Popen(
                [str(version.python), "-m", module, word],
                cwd=self.stack.layout.run,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        replica.version = version
        self._wait_ready(replica)
        if replica.part in self.endpoints and replica.port is not None:
            self.endpoints[replica.part].add(replica.port)

    def stop(self, replica: Replica) -> None:
        """As Kubernetes does: its endpoint goes, it gets SIGTERM, and may finish."""
        process = replica.process
        assert process is not None
        assert replica.version is not None
        if replica.part in self.endpoints and replica.port is not None:
            self.endpoints[replica.part].remove(replica.port)
            if not replica.version.drains:
                time.sleep(NOTICE_SECONDS)
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if code != 0:
            self.ended_badly.append(f"{replica} of {replica.version.name}: {code}")
        replica.process = None

    def replace(self, replica: Replica, version: Version) -> None:
        self.stop(replica)
        self.start(replica, version)
        self.restarts += 1

    def of(self, *parts: Part, number: int | None = None) -> list[Replica]:
        return [one for one in self.replicas if one.part in parts and number in (None, one.number)]

    def end(self) -> None:
        """Without ceremony: whatever matters has been seen by then."""
        running = [one.process for one in self.replicas if one.process is not None]
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _own(self, replica: Replica, version: Version) -> Environment:
        """What differs from the stack's own: its port, where the others are, how it stops."""
        part = replica.part
        at = {other: f"http://{HOST}:{self.others.base + offset}" for other, offset in BALANCED.items()}
        names = {"ADMIN_URL": at[Part.ADMIN], "JWKS_URL": f"{at[Part.ADMIN]}/.well-known/jwks.json"}
        if part is Part.ADMIN:
            names = {f"{other.value.upper()}_URL": at[other] for other in (Part.INGESTER, Part.QUERY, Part.RENDER)}
        elif part in ELEMENTS:
            del names["ADMIN_URL"]
        elif part is Part.ROUTES:
            del names["JWKS_URL"]
        if part not in (Part.ADMIN, Part.ROUTES):
            names["JWKS_CACHE_FILE"] = str(self.directory / f"jwks-{part}-{replica.number}.json")
        if replica.port is not None:
            names["PORT"] = str(replica.port)
        if version.drains and part in BALANCED:
            names["DRAIN_SECONDS"] = str(DRAIN_SECONDS)
        own = {f"{PREFIXES[part]}_{name}": value for name, value in names.items()}
        return {**own, **_VARYING[replica.number].get(part, {})}

    def _wait_ready(self, replica: Replica) -> None:
        assert replica.process is not None
        deadline = time.monotonic() + READY_SECONDS
        while not self._ready(replica):
            if replica.process.poll() is not None or time.monotonic() > deadline:
                said = replica.log.read_text(errors="replace")[-3000:]
                raise RuntimeError(f"{replica} is not ready:\n{said}")
            time.sleep(0.1)

    def _ready(self, replica: Replica) -> bool:
        if replica.port is None:
            return True
        if replica.part in ELEMENTS:
            return answers(f"https://{HOST}:{replica.port}/health/ready", self.ca)
        return answers(f"http://{HOST}:{replica.port}/health/ready")


def environments(stack: Stack) -> dict[Part, Environment]:
    """What the stack's own processes were told, as they run now."""
    return {part: psutil.Process(stack.pid(part)).environ() for part in (*TWICE, *ONCE)}


@contextmanager
def running_fleet(stack: Stack, version: Version, *, follow_endpoints: bool) -> Iterator[Fleet]:
    """In the place of the stack's own processes, two of each where that may be; PostgreSQL and Envoy stay the stack's.

    The gateway knows the replicas by their addresses and asks how they are, or follows the files of their endpoints.
    """
    others = Ports(free_port_base(range(stack.ports.base + 100, stack.ports.base + 5000, 100)))
    directory = stack.data_dir.absolute().parent / "fleet"
    directory.mkdir()
    (directory / "clients").mkdir()
    endpoints = {part: Endpoints(directory, part.value) for part in BALANCED}
    ca = ssl.create_default_context(cafile=str(stack.layout.tls / "ca.crt"))
    fleet = Fleet(stack, others, directory, ca, endpoints)
    with ExitStack() as ending:
        stack.stop(Part.ENVOY)
        for part in (Part.ROUTES, Part.RENDER_WORKER, *reversed(BALANCED), *ELEMENTS):
            stack.stop(part)
        balanced = {others.base + offset: endpoints[part] for part, offset in BALANCED.items()}
        ending.enter_context(balancer(directory, balanced, others.base + _CONTROL))
        ending.callback(fleet.end)
        _start_all(fleet, version)
        ending.callback(stack.stop, Part.ENVOY)
        _start_gateway(fleet, follow_endpoints=follow_endpoints)
        yield fleet


def _start_all(fleet: Fleet, version: Version) -> None:
    for part in (Part.ADMIN, *ELEMENTS, Part.INGESTER, Part.QUERY, Part.RENDER, Part.RENDER_WORKER, Part.ROUTES):
        for number in (1, 2) if part in TWICE else (1,):
            ports = fleet.stack.ports if number == 1 else fleet.others
            port = None if part is Part.ROUTES else ports.of(part)
            replica = Replica(part, number, port, fleet.directory / f"{part}-{number}.log")
            fleet.replicas.append(replica)
            fleet.start(replica, version)


def _start_gateway(fleet: Fleet, *, follow_endpoints: bool) -> None:
    stack = fleet.stack
    decided = gateway_settings(stack.layout, stack.ports, LocalCa(stack.layout.tls))
    for part in BALANCED:
        urls = [f"http://{HOST}:{replica.port}" for replica in fleet.of(part)]
        decided[f"{part.value}_url"] = ",".join(urls)
    config = bootstrap(GatewaySettings.from_environment(stack.env, **decided))
    if follow_endpoints:
        config = following(config, fleet.endpoints.values())
    stack.layout.envoy_config.write_text(yaml.safe_dump(config, sort_keys=False, width=120, allow_unicode=True))
    stack.start(Part.ENVOY)


def environment_of_caller(settings: Mapping[str, str]) -> dict[str, str]:
    """Of this process, less what is meant for a stack that the developer runs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ARTSTORE_")}
    return {**kept, **settings}


def in_order(fleet: Fleet) -> Sequence[Replica]:
    """One after another: the services behind the gateway, then what they lean on."""
    order = (Part.QUERY, Part.INGESTER, Part.RENDER, Part.RENDER_WORKER, Part.ADMIN, *ELEMENTS, Part.ROUTES)
    return [replica for part in order for replica in fleet.of(part)]
