"""Routes to storage elements: the short cut for bytes, `/_element/{route}/…?ticket=`.

An element has two of them: a file's bytes, which query redirects to, and a part of an upload, whose url the client has.
Everything else of an element stays out of reach: its other paths and methods answer 404 and 405 here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from artstore_gateway.settings import GatewaySettings
from artstore_gateway.typed import Config, extension, header, seconds, typed

BYTES_ROUTE: Final = "element bytes"
"""The name of every route to files' bytes, by which Envoy knows where a redirect may lead."""
PART_ROUTE: Final = "element part"

OFFER: Final = "x-artstore-elements"
"""The header that tells query which elements this very gateway has a route to. Clients cannot send it."""
TRACE_BEFORE: Final = "x-artstore-traceparent"
"""The `traceparent` that a redirected download had before it was redirected. Services count it more (artstore_kit.tracing)."""
OFFERED_CHARACTERS: Final = 8
"""Of a route's name, 40 bits: enough to tell elements apart, and nobody outside can guess one."""
_MAX_OFFERED: Final = 1000  # 9 kB of header; what is beyond goes through query
_MAX_RETRIES: Final = 8

BUFFER = "envoy.filters.http.buffer"
NO_BODY_LIMIT: Config = {BUFFER: typed("envoy.extensions.filters.http.buffer.v3.BufferPerRoute", disabled=True)}

# No counts: Envoy refuses expressions that compile to more than 100 steps. What is no id, the element refuses.
_ID = "[0-9a-fA-F-]+"
_BYTES_PATH = f"/api/v1/files/{_ID}/download"
_PART_PATH = f"/api/v1/uploads/{_ID}/parts/[0-9]+"
_ANY_ROUTE = "/_element/[a-z2-7]+"

# An element is not a service of ours that may speak for this origin: it may be on anybody's machine.
_NOT_FROM_ELEMENTS = (
    "set-cookie", "location", "refresh", "link", "clear-site-data", "service-worker-allowed", "alt-svc",
    "strict-transport-security", "access-control-allow-origin", "access-control-allow-credentials",
)  # fmt: skip
# The ticket is what an element judges by. A token would be another right, and not for its eyes; the address from which
# Envoy was redirected may hold a link's ticket.
_NOT_FOR_ELEMENTS = ("authorization", "cookie", "x-envoy-original-url", "x-envoy-original-path")


UNTOLD: Final = header("Referrer-Policy", "no-referrer")
"""For addresses that hold a ticket: a page that leads on from one shall not tell it to the next."""


@dataclass(frozen=True, slots=True, order=True)
class Element:
    """A storage element as the gateway knows it. `route` is its opaque name, `url` is `https://host[:port]`."""

    route: str
    url: str

    @property
    def cluster(self) -> str:
        return f"element-{self.route}"

    @property
    def authority(self) -> str:
        return urlsplit(self.url).netloc


def offer(elements: Sequence[Element]) -> list[Config]:
    """What a request to query says of these elements, as `request_headers_to_add`; nothing where there are none."""
    if not elements:
        return []
    names = " ".join(element.route[:OFFERED_CHARACTERS] for element in elements[:_MAX_OFFERED])
    return [header(OFFER, names)]


def redirect_policy() -> Config:
    """Query's redirect is followed by Envoy, once, and only to the bytes of an element.

    A redirect that is not followed would go out to the client: what it says is removed there.
    """
    return {
        "max_internal_redirects": 1,
        "redirect_response_codes": [307],
        "predicates": [
            extension(
                "envoy.internal_redirect_predicates.allow_listed_routes",
                "envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig",
                allowed_route_names=[BYTES_ROUTE],
            )
        ],
    }


def element_routes(elements: Iterable[Element], settings: GatewaySettings) -> list[Config]:
    """Envoy's routes, the 405s last. A path without a ticket, or of a route that is not there, fits none: 404."""
    routes = [route for element in elements for route in _routes(element, settings)]
    return [*routes, _method_not_allowed(_BYTES_PATH, "GET", "HEAD"), _method_not_allowed(_PART_PATH, "PUT")]


def _routes(element: Element, settings: GatewaySettings) -> list[Config]:
    base = re.escape(f"/_element/{element.route}")
    return [
        _route(BYTES_ROUTE, base + _BYTES_PATH, "GET|HEAD", element, settings, {"retry_policy": _retries()})
        | _in_trace(),
        _route(PART_ROUTE, base + _PART_PATH, "PUT", element, settings, {}),
    ]


def _in_trace() -> Config:
    """What comes here after a redirect is traced by Envoy no further (its decision is made on the first way alone), and it
    would tell the element to leave its spans out, too. So the element hears of the trace as it was before."""
    return {"request_headers_to_add": [header(TRACE_BEFORE, "%REQ(TRACEPARENT)%")]}


def _route(name: str, path: str, methods: str, element: Element, settings: GatewaySettings, retries: Config) -> Config:
    return {
        "name": name,
        "match": {
            "safe_regex": {"regex": path},
            "headers": [{"name": ":method", "string_match": {"safe_regex": {"regex": methods}}}],
            "query_parameters": [{"name": "ticket", "present_match": True}],
        },
        "route": {
            "cluster": element.cluster,
            "regex_rewrite": {"pattern": {"regex": "^/_element/[^/]+"}, "substitution": ""},
            "host_rewrite_literal": element.authority,
            "timeout": "0s",
            "idle_timeout": seconds(settings.bytes_idle_seconds),
            **retries,
        },
        "request_headers_to_remove": list(_NOT_FOR_ELEMENTS),
        "response_headers_to_remove": list(_NOT_FROM_ELEMENTS),
        "response_headers_to_add": [UNTOLD],
        "typed_per_filter_config": NO_BODY_LIMIT,
    }


def _retries() -> Config:
    """Some three seconds for an element that is being restarted, as query has patience on its own way."""
    return {
        "retry_on": "connect-failure,refused-stream,reset,retriable-status-codes",
        "retriable_status_codes": [503],
        "num_retries": _MAX_RETRIES,
        "retry_back_off": {"base_interval": "0.1s", "max_interval": "1s"},
    }


def _method_not_allowed(path: str, *methods: str) -> Config:
    return {
        "name": "405 /_element",
        "match": {
            "safe_regex": {"regex": _ANY_ROUTE + path},
            "headers": [
                {
                    "name": ":method",
                    "string_match": {"safe_regex": {"regex": "|".join(methods)}},
                    "invert_match": True,
                }
            ],
        },
        "direct_response": {"status": 405},
        "response_headers_to_add": [header("Allow", ", ".join(methods))],
        "typed_per_filter_config": NO_BODY_LIMIT,
    }
