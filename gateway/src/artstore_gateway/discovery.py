"""What Envoy reads while it runs: clusters and routes in files (xDS "filesystem subscription"), replaced by moving.

Envoy takes a file that it can read and keeps what it has otherwise, so a writer that is away or wrong changes nothing.
The whole table of routes stands in the file; it is made anew from the code at each start, and only the list of elements
is remembered (`elements.json`): a gateway of a new version never starts with an old one's routes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from artstore_gateway.clusters import element_cluster
from artstore_gateway.elements import Element
from artstore_gateway.settings import GatewaySettings
from artstore_gateway.typed import Config, typed
from artstore_gateway.virtual_host import ROUTE_CONFIGURATION, route_configuration

_MODE: Final = 0o600
_CLUSTERS, _ROUTES, _KNOWN = "clusters.json", "routes.json", "elements.json"


def cluster_source(directory: Path) -> Config:
    """The bootstrap's `dynamic_resources`."""
    return {"cds_config": _source(directory / _CLUSTERS)}


def route_source(directory: Path) -> Config:
    """The connection manager's `rds`."""
    return {"route_config_name": ROUTE_CONFIGURATION, "config_source": _source(directory / _ROUTES)}


class ElementFiles:
    """The files of one gateway, in `settings.elements_dir`. Raises OSError when they cannot be written."""

    def __init__(self, settings: GatewaySettings) -> None:
        if settings.elements_dir is None:
            raise ValueError("elements_dir is not set")
        self._settings, self._directory = settings, settings.elements_dir

    @property
    def known(self) -> Path:
        """Is there once every element that was known then has its route."""
        return self._directory / _KNOWN

    def remembered(self) -> tuple[Element, ...]:
        """The list as it was last complete; none where there is no such file, or none that can be read."""
        try:
            return tuple(Element(route=one["route"], url=one["url"]) for one in json.loads(self.known.read_text()))
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return ()

    def restore(self) -> None:
        """Everything anew from what is remembered: before Envoy starts, which needs the files to be there."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        elements = self.remembered()
        self.publish(elements, elements)

    def publish(self, clusters: Sequence[Element], routes: Sequence[Element]) -> None:
        """For Envoy to read. A route should have had its cluster since the publishing before: it may take its time."""
        settings = self._settings
        self._write(_CLUSTERS, [_named(one, "cluster") for one in (element_cluster(e, settings) for e in clusters)])
        self._write(_ROUTES, [_named(route_configuration(settings, routes), "route", "RouteConfiguration")])

    def remember(self, elements: Iterable[Element]) -> None:
        content = [{"route": element.route, "url": element.url} for element in elements]
        _replace(self.known, json.dumps(content, indent=1))

    def _write(self, name: str, resources: list[Config]) -> None:
        text = json.dumps(resources, sort_keys=True)
        version = hashlib.sha256(text.encode()).hexdigest()[:16]
        _replace(self._directory / name, json.dumps({"version_info": version, "resources": resources}))


def _named(message: Config, package: str, kind: str = "Cluster") -> dict[str, Any]:
    return typed(f"envoy.config.{package}.v3.{kind}", **message)


def _source(path: Path) -> Config:
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def _replace(path: Path, text: str) -> None:
    """Whole or not at all; nothing happens when it says that already, so that Envoy is not made to read it again."""
    try:
        if path.read_text() == text:
            return
    except FileNotFoundError:
        pass
    temporary = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
