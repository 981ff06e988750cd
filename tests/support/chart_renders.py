"""The Helm charts, rendered for each set of values in `tests/charts/values/<chart>/<set>.yaml`.

A set says `values`; `release` (`name`, `namespace`, `revision`; a revision above 1 is an upgrade) where it matters; and
`external`: what the manifests refer to and somebody else makes, as `Kind/name`, with `#key` of a Secret or a ConfigMap and
`:port` of a Service where they are named; `*` stands for anything.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import helm_python
import yaml

ROOT = Path(__file__).parents[2]
CHARTS = ROOT / "charts"
VALUES = ROOT / "tests" / "charts" / "values"

Manifest = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Pod:
    """A pod's template, and what it belongs to."""

    owner: Manifest
    template: Manifest

    @property
    def spec(self) -> Manifest:
        found: Manifest = self.template["spec"]
        return found

    @property
    def labels(self) -> dict[str, str]:
        found: dict[str, str] = self.template.get("metadata", {}).get("labels") or {}
        return found

    def containers(self) -> Iterator[Manifest]:
        """All of them: those that begin and end before the others, too."""
        for group in ("initContainers", "containers", "ephemeralContainers"):
            yield from self.spec.get(group) or ()

    def __str__(self) -> str:
        return name_of(self.owner)


@dataclass(frozen=True, eq=False)
class Rendered:
    """One chart with one set of values. `files` are the templates' texts by path."""

    chart: str
    values: dict[str, Any]
    external: frozenset[str]
    namespace: str
    files: dict[str, str]
    manifests: tuple[Manifest, ...]

    @property
    def notes(self) -> str:
        return next(text for path, text in self.files.items() if path.endswith("/NOTES.txt"))

    def of_kind(self, *kinds: str) -> list[Manifest]:
        return [manifest for manifest in self.manifests if manifest["kind"] in kinds]

    def one(self, kind: str, name: str | None = None) -> Manifest:
        """The only one of its kind, or of this name. Raises ValueError where there is not exactly one."""
        (found,) = [one for one in self.of_kind(kind) if name is None or one["metadata"]["name"] == name]
        return found

    def pods(self) -> list[Pod]:
        return [Pod(manifest, template) for manifest in self.manifests if (template := _template(manifest))]


def sets(chart: str) -> list[str]:
    """The names of a chart's sets of values."""
    return sorted(path.stem for path in (VALUES / chart).glob("*.yaml"))


def all_sets() -> list[tuple[str, str]]:
    return [(chart.name, name) for chart in sorted(VALUES.iterdir()) for name in sets(chart.name)]


@functools.cache
def rendered(chart: str, name: str) -> Rendered:
    """What Helm makes of it. Raises HelmError when the values are refused."""
    return render(chart, **load_set(chart, name))


def load_set(chart: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((VALUES / chart / f"{name}.yaml").read_text(encoding="utf-8"))
    return found


def render(
    chart: str,
    values: Mapping[str, Any],
    release: Mapping[str, Any] | None = None,
    external: frozenset[str] | list[str] = frozenset(),
) -> Rendered:
    given = {"name": "test", "namespace": "artstore", "revision": 1, **(release or {})}
    first = given["revision"] == 1
    with helm_python.Chart.load(CHARTS / chart) as loaded:
        files = loaded.render(dict(values), is_install=first, is_upgrade=not first, **given)
    manifests = [
        manifest
        for path, text in files.items()
        if path.endswith(".yaml")
        for manifest in yaml.load_all(text, Loader=_Strict)
        if manifest
    ]
    return Rendered(chart, dict(values), frozenset(external), given["namespace"], files, tuple(manifests))


def name_of(manifest: Manifest) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def _template(manifest: Manifest) -> Manifest | None:
    spec = manifest.get("spec") or {}
    match manifest["kind"]:
        case "Pod":
            return manifest
        case "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job":
            found: Manifest = spec["template"]
            return found
        case "CronJob":
            nested: Manifest = spec["jobTemplate"]["spec"]["template"]
            return nested
    return None


class _Strict(yaml.CSafeLoader):
    """Two keys of one name are a slip: YAML's usual readers keep the last and say nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = [self.construct_object(key, deep=True) for key, _ in node.value if key.value != "<<"]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"twice: {sorted(map(str, twice))}", node.start_mark)
        return super().construct_mapping(node, deep)
