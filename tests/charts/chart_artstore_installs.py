"""The Jobs of charts/artstore and the pods that wait for them, as real processes on a real PostgreSQL, all started at once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import pytest
from artstore_stack.kubernetes import Plan, make
from artstore_stack.kubernetes_api import Found
from artstore_stack.postgres import SUPERUSER, Postgres, program
from chart_renders import Pod, Rendered, load_set, render

pytestmark = pytest.mark.integration

PASSWORD = "of-the-superuser"
SUPERUSER_SECRET = "superuser"


class Secrets:
    """Kubernetes' Secrets in memory."""

    def __init__(self) -> None:
        self.found: dict[str, Found] = {SUPERUSER_SECRET: Found({"username": SUPERUSER, "password": PASSWORD}, "1")}

    def read(self, name: str) -> Found | None:
        return self.found.get(name)

    def write(self, name: str, data: Mapping[str, str], labels: Mapping[str, str], found: Found | None) -> None:
        assert labels
        self.found[name] = Found(dict(data), "1" if found is None else f"{found.version}1")


class Cluster:
    """Runs containers that end: init containers first, with each volume of Secrets as a directory."""

    def __init__(self, directory: Path, secrets: Secrets) -> None:
        self._directory, self._secrets = directory, secrets

    def run(self, pod: Pod, *, only_init: bool = False) -> list[str]:
        """What the containers printed. Raises AssertionError, with that, when one fails."""
        mounts = {name: self._volume(pod, name) for name in self._volumes(pod)}
        containers = list(pod.spec.get("initContainers") or ())
        containers += [] if only_init else pod.spec["containers"]
        return [self._container(pod, one, mounts) for one in containers]

    def _container(self, pod: Pod, container: dict[str, Any], mounts: Mapping[str, Path]) -> str:
        places = {
            one["mountPath"]: str(mounts[one["name"]]) for one in container["volumeMounts"] if one["name"] in mounts
        }
        environment = {"PATH": f"{program('psql').parent}:{os.defpath}"}
        environment |= {one["name"]: moved(str(one["value"]), places) for one in container.get("env") or ()}
        command = container.get("command") or [sys.executable, "-m", _package(container["image"])]
        command = [*command, *(moved(word, places) for word in container["args"])]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, f"{pod} {container['name']}: {done.stdout}{done.stderr}"
        return done.stdout

    def _volumes(self, pod: Pod) -> Iterator[str]:
        yield from (volume["name"] for volume in pod.spec["volumes"] if "secret" in volume)

    def _volume(self, pod: Pod, name: str) -> Path:
        (volume,) = [one for one in pod.spec["volumes"] if one["name"] == name]
        directory = self._directory / str(pod).replace("/", "-") / name
        directory.mkdir(parents=True)
        content = self._secrets.found[volume["secret"]["secretName"]].data
        items = volume["secret"].get("items") or [{"key": key, "path": key} for key in content]
        for item in items:
            (directory / item["path"]).write_text(content[item["key"]])
        return directory


def moved(text: str, places: Mapping[str, str]) -> str:
    for path, real in places.items():
        text = text.replace(path, real)
    return text


def _package(image: str) -> str:
    return image.rpartition("/")[2].partition(":")[0].replace("-", "_")


@pytest.fixture
def server() -> Iterator[Postgres]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # Not in pytest's own directory: each pytest that starts closes it to others, and under root PostgreSQL is another.
    with TemporaryDirectory(prefix="artstore-chart-") as directory, (Path(directory) / "log").open("wb") as log:
        postgres = Postgres(Path(directory) / "postgres", port)
        postgres.prepare(PASSWORD, say=lambda _: None)
        user = postgres.system_user
        account: dict[str, Any] = {"user": user, "group": user, "extra_groups": []} if user else {}
        process = subprocess.Popen(postgres.command(), cwd="/", stdout=log, stderr=log, **account)
        try:
            yield postgres
        finally:
            process.send_signal(signal.SIGINT)  # "fast": clients are sent away
            process.wait(60)


def _release(port: int) -> Rendered:
    values = load_set("artstore", "minimal")["values"]
    database = {
        "bundled": False,
        "host": "127.0.0.1",
        "port": port,
        "setup": {"enabled": True, "existingSecret": SUPERUSER_SECRET},
    }
    elements = [{"id": "se-1", "url": "https://se-1.example.com:8010"}]
    return render("artstore", {**values, "database": database, "elements": elements}, {"name": "art"})


def _plan(release: Rendered) -> Plan:
    return Plan.model_validate_json(release.one("ConfigMap", "art-artstore-make-secrets")["data"]["plan.json"])


def test_everything_started_at_once_ends_well(tmp_path: Path, server: Postgres) -> None:
    release, secrets = _release(server.port), Secrets()
    make(_plan(release), secrets)
    cluster = Cluster(tmp_path / "pods", secrets)
    jobs = {
        str(pod).partition("art-artstore-")[2].rpartition("-")[0]: pod
        for pod in release.pods()
        if pod.owner["kind"] == "Job"
    }
    assert set(jobs) == {
        "make-secrets",
        "database-setup",
        "admin-migrate",
        "query-migrate",
        "render-migrate",
        "admin-bootstrap",
    }
    del jobs["make-secrets"]
    waiting = [pod for pod in release.pods() if pod.spec.get("initContainers") and pod.owner["kind"] == "Deployment"]
    assert len(waiting) == 4  # admin, query, render, its workers
    with ThreadPoolExecutor(16) as pool:
        begun = [pool.submit(cluster.run, pod, only_init=True) for pod in waiting]
        begun += [pool.submit(cluster.run, pod) for name, pod in jobs.items()]
        for one in begun:
            one.result()
    asyncio.run(_look(secrets))


async def _look(secrets: Secrets) -> None:
    """As a service's role, with the url that it has."""
    urls = {name: secrets.found[f"art-artstore-{name}"].data["database_url"] for name in ("admin", "query", "render")}
    connections = {name: await asyncpg.connect(url) for name, url in urls.items()}
    try:
        accounts = await connections["admin"].fetch("SELECT name FROM service_accounts ORDER BY name")
        assert [row["name"] for row in accounts] == ["ingester", "operator", "query", "render"]
        assert (
            await connections["query"].fetchval("SELECT url FROM storage_elements") == "https://se-1.example.com:8010"
        )
        assert await connections["render"].fetchval("SELECT count(*) FROM render.jobs") == 0
    finally:
        for connection in connections.values():
            await connection.close()


def test_another_list_of_elements_is_another_job_that_waits_for_its_own_file() -> None:
    def bootstrap(elements: list[dict[str, str]]) -> tuple[str, str]:
        values = {**load_set("artstore", "minimal")["values"], "elements": elements}
        release = render("artstore", values, {"name": "art"})
        (pod,) = [pod for pod in release.pods() if "admin-bootstrap" in str(pod)]
        told = json.dumps(pod.spec["volumes"])
        key = _plan(release).bootstrap_key
        assert key in told
        return str(pod), key

    one = bootstrap([{"id": "se-1", "url": "https://se-1.example.com"}])
    assert one == bootstrap([{"id": "se-1", "url": "https://se-1.example.com"}])
    two = bootstrap([{"id": "se-2", "url": "https://se-2.example.com"}])
    assert one[0] != two[0]
    assert one[1] != two[1]
