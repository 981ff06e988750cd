"""`compose.yaml` in the place of `make up`: the same parts by the same names and ports, as containers.

The tests look where they look otherwise: the disks of the elements, the secrets and the logs lie below the data
directory, and a part has a process id. So it needs root and an engine on this very machine.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import psutil
from artstore_stack import Stack, StackError
from artstore_stack.accounts import write_credentials
from artstore_stack.addresses import addresses
from artstore_stack.database import DATABASE, OWNER
from artstore_stack.parts import ELEMENTS, Part
from artstore_stack.ports import HOST
from world import ROOT

USER: Final = 10001
"""As whom our containers run."""
_SERVICE_OF: Final = {Part.ENVOY: "gateway"}
"""Every other part has its own name in compose.yaml."""
_PREFIXES: Final = {
    "AM": ("admin",),
    "SE": tuple(ELEMENTS),
    "IG": ("ingester",),
    "QM": ("query",),
    "RS": ("render", "render-worker"),
}
_INSIDE: Final = {
    Part.ADMIN: 8000,
    **dict.fromkeys(ELEMENTS, 8010),
    Part.INGESTER: 8020,
    Part.QUERY: 8030,
    Part.RENDER: 8040,
    Part.RENDER_WORKER: 8040,
    Part.POSTGRES: 5432,
}
_UP_SECONDS: Final = 300
_READY_SECONDS: Final = 60.0
_STARTERS: Final = {"docker-init", "tini"}
"""What may stand before the process itself."""


def why_not() -> str | None:
    """What is missing here; None where nothing is."""
    if os.geteuid() != 0:
        return "it looks at the containers' disks and processes: it needs root"
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0:
        return "there is no Docker engine"
    if compose_command() is None:
        return "there is neither `docker compose` nor `docker-compose`"
    return None


def compose_command() -> list[str] | None:
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and not subprocess.run([*command, "version"], capture_output=True).returncode:
            return command
    return None


class ComposeStack(Stack):
    """Images must be there (`make images`)."""

    def __init__(self, data_dir: Path, port_base: int, env: Mapping[str, str]) -> None:
        super().__init__(data_dir, port_base, env)
        self._project = f"artstore-{port_base}"
        self._override = self.layout.root / "compose.override.json"
        self._command = compose_command() or []

    @property
    def running(self) -> bool:
        return self.pid(Part.ENVOY) > 0

    def up(self) -> None:
        self._make_directories()
        self._override.write_text(json.dumps(self._differences()))
        self._compose("up", "--detach", "--wait", "--wait-timeout", str(_UP_SECONDS))
        database = f"postgresql://{OWNER}:{self._secrets.password(f'db-{OWNER}')}"
        known = addresses(self.ports, self.data_dir, f"{database}@{HOST}:{self.ports.of(Part.POSTGRES)}/{DATABASE}")
        write_credentials(self.layout.credentials, self._secrets, known)
        for part in Part:
            log = self.layout.log(part)
            log.unlink(missing_ok=True)
            log.symlink_to(self._inspect(part)["LogPath"])

    def down(self) -> None:
        self._compose("down", "--timeout", "45")

    def reset(self) -> None:
        self._compose("down", "--volumes", "--timeout", "45")

    def stop(self, part: Part | str) -> None:
        self._docker("stop", "--time", "45", self._container(Part(part)))

    def start(self, part: Part | str) -> None:
        part = Part(part)
        self._docker("start", self._container(part))
        if part is not Part.ENVOY:  # nobody outside its container may ask it
            self._health.wait(part, _READY_SECONDS, self._alive)
            return
        deadline = time.monotonic() + _READY_SECONDS
        while self._inspect(part)["State"]["Health"]["Status"] != "healthy":
            if time.monotonic() > deadline:
                raise StackError(f"{part} is not healthy after {_READY_SECONDS:.0f} s")
            time.sleep(0.1)

    def pid(self, part: Part | str) -> int:
        """Of the process itself; 0 while it does not run."""
        first = int(self._inspect(Part(part))["State"]["Pid"])
        try:
            process = psutil.Process(first) if first else None
            while process is not None and process.name() in _STARTERS:
                process = next(iter(process.children()), None)
        except psutil.Error:
            return 0
        return process.pid if process else 0

    def _alive(self, part: Part) -> bool:
        return bool(self._inspect(part)["State"]["Running"])

    def _make_directories(self) -> None:
        self.layout.prepare(self.ports.base)
        if not self.layout.tls.is_symlink():  # the authority is among the secrets here
            self.layout.tls.rmdir()
            self.layout.tls.symlink_to(self.layout.secrets.name)
        for directory in self._volumes().values():
            directory.mkdir(exist_ok=True)
            os.chown(directory, USER, USER)

    def _volumes(self) -> dict[str, Path]:
        """Compose's volumes that lie where `make up` has them."""
        disks = {f"{part.value}-data": self.layout.element(part) for part in ELEMENTS}
        return {**disks, "store": self.layout.secrets, "elements": self.layout.gateway_routes}

    def _differences(self) -> dict[str, Any]:
        """From compose.yaml: the caller's settings, every service on a port of this machine, volumes within sight."""
        services: dict[str, dict[str, Any]] = {}
        for prefix, names in _PREFIXES.items():
            told = {name: value for name, value in self.env.items() if name.startswith(f"{prefix}_")}
            for name in names:
                services[name] = {"environment": told}
        for part, inside in _INSIDE.items():
            services.setdefault(part.value, {})["ports"] = [f"{HOST}:{self.ports.of(part)}:{inside}"]
        bound = {"type": "none", "o": "bind"}
        volumes = {
            name: {"driver": "local", "driver_opts": {**bound, "device": str(directory)}}
            for name, directory in self._volumes().items()
        }
        return {"services": services, "volumes": volumes}

    def _compose(self, *words: str) -> None:
        chosen = {"ARTSTORE_PORT": str(self.ports.of(Part.ENVOY)), "ARTSTORE_TLS_PORT": str(self.ports.gateway_tls)}
        files = ["--file", str(ROOT / "compose.yaml"), "--file", str(self._override)]
        command = [*self._command, "--project-name", self._project, *files, *words]
        done = subprocess.run(command, env={**self.env, **chosen}, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise StackError(f"compose {words[0]} failed ({done.returncode}):\n{done.stderr[-4000:]}")

    def _container(self, part: Part) -> str:
        service = _SERVICE_OF.get(part, part.value)
        labels = {"project": self._project, "service": service}
        filters = [
            word for name, value in labels.items() for word in ("--filter", f"label=com.docker.compose.{name}={value}")
        ]
        found = self._docker("ps", "--all", "--quiet", "--no-trunc", *filters).split()
        if len(found) != 1:
            raise StackError(f"{service}: {len(found)} containers")
        return found[0]

    def _inspect(self, part: Part) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._docker("inspect", self._container(part)))[0]
        return found

    def _docker(self, *words: str) -> str:
        done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise StackError(f"docker {words[0]} failed: {done.stderr.strip()}")
        return done.stdout
