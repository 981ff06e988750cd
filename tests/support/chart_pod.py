"""A container of a rendered pod, really run: its arguments, its variables, its files, directories for its volumes."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from chart_renders import Manifest, Pod, Rendered
from programs import program


class Node:
    """Where pods run: as processes of this machine. `directory` holds a directory for each volume; `secrets` are those that
    nobody renders, as files."""

    def __init__(self, directory: Path, package: str, secrets: Mapping[str, Mapping[str, str]]) -> None:
        self._directory, self._package, self._secrets = directory, package, secrets

    def run(self, render: Rendered, pod: Pod) -> subprocess.CompletedProcess[str]:
        """A Job's container, to its end."""
        command, environment = self._command(render, pod, None)
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    @contextmanager
    def started(self, render: Rendered, pod: Pod, port: int) -> Iterator[subprocess.Popen[bytes]]:
        """A container that stays, and listens on this port of the loopback; killed at the end if it is still there."""
        command, environment = self._command(render, pod, port)
        with self.log.open("ab") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield process
        finally:
            self._end(process)

    @property
    def log(self) -> Path:
        return self._directory / "log"

    def volume(self, name: str) -> Path:
        return self._directory / name

    def lose(self, name: str) -> None:
        """An empty volume in place of this one."""
        shutil.rmtree(self.volume(name))

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()

    def _command(self, render: Rendered, pod: Pod, port: int | None) -> tuple[list[str], dict[str, str]]:
        container, mounts = self._prepared(render, pod)
        environment = dict(os.environ)
        for name, value in _variables(container).items():
            environment[name] = _moved(value, {path: str(real) for path, real in mounts.items()})
        if port is not None:
            (name,) = [name for name in environment if name.endswith("_PORT") and name in _variables(container)]
            environment |= {name: str(port), name.replace("_PORT", "_HOST"): "127.0.0.1"}
        return [sys.executable, "-m", self._package, *container["args"]], environment

    def _prepared(self, render: Rendered, pod: Pod) -> tuple[Manifest, dict[str, Path]]:
        """The container, and a directory for each of its mounts."""
        (container,) = pod.spec["containers"]
        volumes = {volume["name"]: volume for volume in pod.spec["volumes"]}
        mounts = {mount["mountPath"]: self.volume(mount["name"]) for mount in container["volumeMounts"]}
        for directory in mounts.values():
            directory.mkdir(exist_ok=True)
            if secret := volumes[directory.name].get("secret"):
                content = self._content(render, secret["secretName"])
                for item in secret["items"]:
                    (directory / item["path"]).write_text(content[item["key"]])
        return container, mounts

    def _content(self, render: Rendered, name: str) -> Mapping[str, str]:
        made: list[Manifest] = [one for one in render.of_kind("Secret") if one["metadata"]["name"] == name]
        return made[0]["stringData"] if made else self._secrets[name]


class Docker(Node):
    """Pods as containers of Docker's, from real images, with all that their securityContext says. Needs root."""

    _NAME = "artstore-chart-pod"

    def lose(self, name: str) -> None:
        super().lose(name)
        self.volume(name).mkdir()

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        subprocess.run([program("docker"), "rm", "--force", self._NAME], capture_output=True, check=False)
        process.wait()

    def _command(self, render: Rendered, pod: Pod, port: int | None) -> tuple[list[str], dict[str, str]]:
        container, mounts = self._prepared(render, pod)
        context = {**pod.spec["securityContext"], **container["securityContext"]}
        command = [
            program("docker"),
            "run",
            "--rm",
            "--init=false",
            f"--read-only={context['readOnlyRootFilesystem']}".lower(),
        ]
        command += ["--user", f"{context['runAsUser']}:{context['runAsGroup']}"]
        command += [f"--cap-drop={name}" for name in context["capabilities"]["drop"]]
        command += ["--security-opt=no-new-privileges:true", "--memory=1g"]
        command += [f"--env={name}={value}" for name, value in _variables(container).items()]
        if port is not None:
            (listening,) = container["ports"]
            command += [f"--name={self._NAME}", f"--publish=127.0.0.1:{port}:{listening['containerPort']}"]
        volumes = {volume["name"]: volume for volume in pod.spec["volumes"]}
        for path, directory in mounts.items():
            if "emptyDir" in volumes[directory.name]:
                command.append(f"--tmpfs={path}")
                continue
            _given_to(directory, context["fsGroup"], volumes[directory.name])
            command.append(f"--volume={directory}:{path}")
        return [*command, container["image"].removeprefix("docker.io/"), *container["args"]], dict(os.environ)


def _given_to(directory: Path, group: int, volume: Manifest) -> None:
    """As the kubelet does for `fsGroup`: the volume's root for the group to write, a Secret's files for it to read."""
    os.chown(directory, 0, group)
    directory.chmod(0o2775)
    if secret := volume.get("secret"):
        for file in directory.iterdir():
            os.chown(file, 0, group)
            file.chmod(secret["defaultMode"])


def _variables(container: Manifest) -> dict[str, str]:
    return {variable["name"]: str(variable["value"]) for variable in container["env"]}


def probe(handler: dict[str, Any], port: int, ca: Path, seconds: float, wanted: int = 200) -> int:
    """What the kubelet's question gets for an answer: the wanted status, or the last one (0: none) when time is over."""
    get = handler["httpGet"]
    url = f"{get['scheme'].lower()}://127.0.0.1:{port}{get['path']}"
    status, end = 0, time.monotonic() + seconds
    with httpx.Client(verify=ssl.create_default_context(cafile=str(ca)), timeout=5, trust_env=False) as client:
        while status != wanted and time.monotonic() < end:
            try:
                status = client.get(url).status_code
            except httpx.TransportError:
                status = 0
            if status != wanted:
                time.sleep(0.05)  # as a kubelet asks again: there is no event to wait for from outside
    return status


def _moved(value: str, mounts: Mapping[str, str]) -> str:
    for path, real in sorted(mounts.items(), key=lambda pair: -len(pair[0])):
        if value == path or value.startswith(f"{path}/"):
            return real + value[len(path) :]
    return value
