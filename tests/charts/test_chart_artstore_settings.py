"""What charts/artstore tells its services is what they listen to: a slip in a variable's name would be silent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import helm_python
import pytest
from admin_service import config as admin
from chart_renders import Pod, load_set, render, rendered, sets
from ingester_service import config as ingester
from pydantic_settings import BaseSettings
from query_service import config as query
from render_service import config as rendering

LISTENING: dict[str, tuple[type[BaseSettings], ...]] = {
    "AM": (admin.Settings, admin.MigrationSettings, admin.BootstrapSettings),
    "IG": (ingester.Settings,),
    "QM": (query.Settings, query.MigrationSettings),
    "RS": (rendering.Settings, rendering.MigrationSettings),
}
FOREIGN = ("OTEL_", "PG", "POSTGRES_", "ARTSTORE_")
PORTS = {"admin": 8000, "ingester": 8020, "query": 8030, "render": 8040, "render-worker": 8040}

each_set = pytest.mark.parametrize("name", sets("artstore"))


def _variables(name: str) -> Iterator[tuple[Pod, dict[str, Any], str, str]]:
    for pod in rendered("artstore", name).pods():
        for container in pod.containers():
            for variable in container.get("env") or ():
                yield pod, container, variable["name"], str(variable["value"])


def _settings(prefix: str, variable: str) -> set[str]:
    """The setting that a variable says, by its own name or by that of a file."""
    known = {field for settings in LISTENING[prefix] for field in settings.model_fields}
    said = variable.removeprefix(f"{prefix}_").lower()
    return {said, said.removesuffix("_file")} & known


@each_set
def test_every_variable_is_a_setting(name: str) -> None:
    for pod, container, variable, _ in _variables(name):
        if not variable.startswith(FOREIGN):
            assert _settings(variable.partition("_")[0], variable), f"{pod} {container['name']}: {variable}"


@each_set
def test_every_file_that_is_named_is_mounted(name: str) -> None:
    """`/etc/artstore/…` comes from a volume that has that very file."""
    for pod, container, variable, value in _variables(name):
        if not value.startswith("/etc/artstore/"):
            continue
        directory, _, file = value.rpartition("/")
        volumes = {one["name"]: one for one in pod.spec["volumes"]}
        mounted = {one["mountPath"]: volumes.get(one["name"], {}) for one in container["volumeMounts"]}
        volume = mounted[directory].get("secret") or mounted[directory]["configMap"]
        assert file in [item["path"] for item in volume["items"]], f"{pod} {container['name']}: {variable}"


@each_set
def test_every_setting_without_a_default_is_told(name: str) -> None:
    prefixes = {"admin": "AM", "ingester": "IG", "query": "QM", "render": "RS", "render-worker": "RS"}
    for pod in rendered("artstore", name).pods():
        prefix = prefixes.get(component := pod.labels["app.kubernetes.io/component"])
        if prefix is None:
            continue
        (container,) = pod.spec["containers"]
        told = {found for one in container["env"] for found in _settings(prefix, one["name"])}
        wanted = {field for field, about in LISTENING[prefix][0].model_fields.items() if about.is_required()}
        assert wanted <= told, f"{pod}: {sorted(wanted - told)}"
        assert container["ports"] == [{"name": "http", "containerPort": PORTS[component]}]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"admin": {"env": {"AM_ELEMENT_NETWORKS": "public"}}}, "env of admin: AM_ELEMENT_NETWORKS"),
        ({"render": {"env": {"RS_WORK_DIR": "/tmp"}}}, "env of render-worker: RS_WORK_DIR"),
        ({"renderWorker": {"env": {"RS_STORE": "s3"}}}, "env of render-worker: RS_STORE"),
        ({"query": {"env": {"QM_CACHE_SECONDS": 5}}}, "got number, want string"),
    ],
)
def test_a_variable_that_is_no_text_or_the_charts_own_is_refused_by_helm(values: dict[str, Any], told: str) -> None:
    """A large number would come out as 2.592e+06, and a variable that stands there twice is refused by the API server."""
    with pytest.raises(helm_python.HelmError, match=told):
        render("artstore", {**load_set("artstore", "minimal")["values"], **values})
