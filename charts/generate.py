"""Writes what the charts take from elsewhere: the gateway's table of routes, its words for errors, the tables of values.

`python charts/generate.py` writes them; tests/charts compares them with the code and with `values.yaml`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml
from artstore_gateway.elements import _NOT_FOR_ELEMENTS, _NOT_FROM_ELEMENTS, TRACE_BEFORE
from artstore_gateway.errors import REPLIES, local_reply_config
from artstore_gateway.routes import ROUTES, Access, Resource, Route, Service
from artstore_gateway.virtual_host import _CORS_METHODS, _CORS_REQUEST_HEADERS, _CORS_RESPONSE_HEADERS, path_pattern

from charts.values_table import values_table

HERE = Path(__file__).parent
CHARTS = ("artstore", "storage-element")
MATCHES_A_RULE = 8
RULES_A_ROUTE = 16
"""What an HTTPRoute may hold since Gateway API 1.0 (`maxItems` of `matches` and `rules`)."""

BEGIN, END = "<!-- values -->", "<!-- /values -->"
_WRITTEN = "# Written by charts/generate.py. `make charts` writes it anew.\n"

Match = dict[str, Any]


def routes() -> dict[str, Any]:
    """The table as HTTPRoutes: `routes` with their rules' matches, `refused` paths by what they allow, …"""
    return {
        "routes": [_route(key, group) for key, group in _grouped()],
        "refused": [{"allow": allow, "rules": _chunks(paths)} for allow, paths in _by_allow()],
        "preflight": _chunks([{**_path(resource), "method": "OPTIONS"} for resource in ROUTES]),
        "cors": {
            "methods": _CORS_METHODS.split(", "),
            "requestHeaders": _CORS_REQUEST_HEADERS.split(", "),
            "responseHeaders": _CORS_RESPONSE_HEADERS.split(", "),
        },
        "notForElements": list(_NOT_FOR_ELEMENTS),
        "notFromElements": list(_NOT_FROM_ELEMENTS),
        "traceBefore": TRACE_BEFORE,
    }


def replies() -> str:
    """Envoy's `LocalReplyConfig`, as the gateway has it."""
    assert any(f"xds.cluster_name == '{Service.ADMIN}'" in reply.when for reply in REPLIES), "templates replace this"
    return json.dumps(local_reply_config(), indent=1) + "\n"


def tables() -> dict[Path, str]:
    """README.md by path, with the table of values between its two marks as `values.yaml` has it now."""
    written: dict[Path, str] = {}
    for chart in CHARTS:
        readme, values = HERE / chart / "README.md", HERE / chart / "values.yaml"
        if not readme.exists() or BEGIN not in readme.read_text():
            continue
        before, _, rest = readme.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        written[readme] = f"{before}{BEGIN}\n{values_table(values.read_text())}{END}{after}"
    return written


def files() -> dict[Path, str]:
    """Everything that is generated: text by path."""
    listed = yaml.safe_dump(routes(), sort_keys=False, width=120)
    own = HERE / "artstore" / "files"
    return {own / "routes.yaml": _WRITTEN + listed, own / "replies.json": replies(), **tables()}


Key = tuple[Service, Access, bool, bool]


def _grouped() -> Iterator[tuple[Key, list[tuple[Resource, Route]]]]:
    def key(pair: tuple[Resource, Route]) -> Key:
        route = pair[1]
        return route.service, route.access, route.streams, route.redirects

    pairs = sorted(((resource, route) for resource in ROUTES for route in resource.routes), key=key)
    for found, group in groupby(pairs, key):
        yield found, list(group)


def _route(key: Key, group: Sequence[tuple[Resource, Route]]) -> dict[str, Any]:
    service, access, streams, redirects = key
    words = [service.value, access.value.replace("_", "-"), *(["stream"] if streams else [])]
    matches = [{**_path(resource), "method": method} for resource, route in group for method in route.methods]
    return {
        "name": "-".join([*words, *(["bytes"] if redirects else [])]),
        "service": service.value,
        "access": access.value,
        "streams": streams,
        "redirects": redirects,
        "rules": _chunks(matches),
    }


def _path(resource: Resource) -> Match:
    if "{" in resource.path or "*" in resource.path:
        return {"path": {"type": "RegularExpression", "value": path_pattern(resource.path)}}
    return {"path": {"type": "Exact", "value": resource.path}}


def _by_allow() -> Iterator[tuple[str, list[Match]]]:
    def allowed(resource: Resource) -> str:
        return ", ".join(resource.methods)

    for allow, group in groupby(sorted(ROUTES, key=allowed), allowed):
        yield allow, [_path(resource) for resource in group]


def _chunks(matches: Sequence[Match]) -> list[list[Match]]:
    rules = [list(matches[start : start + MATCHES_A_RULE]) for start in range(0, len(matches), MATCHES_A_RULE)]
    assert len(rules) <= RULES_A_ROUTE, "one HTTPRoute does not hold so many rules"
    return rules


def main() -> int:
    for path, text in files().items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
