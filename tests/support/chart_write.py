"""`python -m chart_write DIRECTORY`: what every set of values renders, as `<chart>-<set>.yaml`, for tools that read files."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml
from chart_renders import Manifest, all_sets, rendered

_OF_POSTGRESQL = "CKV_K8S_40=PostgreSQL's own image has a user of its own, 999, to whom its files belong"
ARGUED = {
    "postgresql": _OF_POSTGRESQL,
    "database-setup": _OF_POSTGRESQL,
    "make-secrets": "CKV_K8S_38=the one pod that calls the cluster, to make Secrets",
}
"""What checkov shall not say of a component's pods, and why."""


def main(directory: Path) -> int:
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("*.yaml"):
        old.unlink()
    for chart, name in all_sets():
        render = rendered(chart, name)
        manifests = [_as_installed(manifest, render.namespace) for manifest in render.manifests]
        (directory / f"{chart}-{name}.yaml").write_text(
            yaml.safe_dump_all(manifests, sort_keys=False), encoding="utf-8"
        )
    return 0


def _as_installed(manifest: Manifest, namespace: str) -> Manifest:
    """In its namespace, and with what is argued about it."""
    metadata = {"namespace": namespace, **manifest["metadata"]}
    argued = ARGUED.get(metadata["labels"].get("app.kubernetes.io/component", ""))
    if argued is not None:
        metadata["annotations"] = {**metadata.get("annotations", {}), "checkov.io/skip1": argued}
    return {**manifest, "metadata": metadata}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
