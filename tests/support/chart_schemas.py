"""Manifests against the OpenAPI schemas of Kubernetes itself, which PyPI's kubernetes-validate carries."""

from __future__ import annotations

import functools
import json
import re
from typing import Any

from chart_renders import Manifest, name_of
from jsonschema.validators import Draft202012Validator
from kubernetes_validate.utils import schema_contents
from referencing import Registry, Resource

VERSIONS = ("1.30.0", "1.34.0", "1.37.0")
"""The oldest that the charts accept (`kubeVersion`), one between, and the newest that the package knows."""

_GROUP = re.compile(r"^([^./]+)(?:\.[^/]*)?/")


def is_known(manifest: Manifest) -> bool:
    """Is it one of Kubernetes' own kinds? Others are custom resources."""
    return _validator(VERSIONS[-1], manifest["kind"], manifest["apiVersion"]) is not None


def findings(manifest: Manifest, version: str) -> list[str]:
    """What that version would refuse, unknown fields included."""
    return list(_findings(json.dumps(manifest, sort_keys=True), version))


@functools.cache
def _findings(text: str, version: str) -> tuple[str, ...]:
    manifest = json.loads(text)
    validator = _validator(version, manifest["kind"], manifest["apiVersion"])
    if validator is None:
        return (f"{name_of(manifest)}: {manifest['apiVersion']} is not in {version}",)
    return tuple(
        f"{name_of(manifest)}: {error.json_path}: {error.message[:300]}" for error in validator.iter_errors(manifest)
    )


@functools.cache
def _validator(version: str, kind: str, api_version: str) -> Draft202012Validator | None:
    file = f"{kind.lower()}-{_GROUP.sub(lambda found: f'{found[1]}-', api_version)}.json"
    try:
        schema = schema_contents(f"{_directory(version)}/{file}", version)
    except FileNotFoundError:
        return None
    return Draft202012Validator(schema, registry=Resource.from_contents(schema) @ _definitions(version))


@functools.cache
def _definitions(version: str) -> Registry[Any]:
    found: Registry[Any] = (
        Resource.from_contents(schema_contents(f"{_directory(version)}/_definitions.json", version)) @ Registry()
    )
    return found


def _directory(version: str) -> str:
    return f"kubernetes-json-schema/v{version}-local-strict"
