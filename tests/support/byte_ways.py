"""The same file asked for over the element, query's proxy and query's redirect at the gateway."""

from __future__ import annotations

from typing import Final

import httpx
from artstore_tickets import Clock, Tickets, element_key, parse_key, route_name, utc_now
from world import World

WAYS: Final = ("element", "query-proxy", "query-redirect")
ELEMENT: Final = "se-rw-1"
"""Where files without an end go in the stack of the tests."""


def ask(
    world: World, way: str, file_id: str, method: str = "GET", element: str = ELEMENT, **headers: str
) -> httpx.Response:
    """One request with a token. `headers` by their names with `_` for `-`: `if_range='"…"'`.

    Whoever asks query itself always gets bytes that it hands on; the gateway is sent to the element by it, which the
    test may make sure of with `redirects`.
    """
    bases = {
        "element": world.credentials["storage_elements"][element],
        "query-proxy": world.credentials["services"]["query"],
        "query-redirect": world.gateway,
    }
    own = {"resource": f"urn:artstore:element:{element}"} if way == "element" else {}
    bearer = world.bearer("service" if own else "client", **own)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return world.http.request(method, f"{bases[way]}/api/v1/files/{file_id}/download", headers=bearer | named)


def redirects(world: World) -> int:
    """How often query has sent the gateway to an element since it started."""
    text = world.http.get(f"{world.credentials['services']['query']}/metrics").text
    (line,) = [line for line in text.splitlines() if line.startswith("artstore_query_redirects_total ")]
    return int(float(line.split()[1]))


def route_url(world: World, element: str, path: str) -> str:
    """The gateway's url for a path of an element's, such as `/api/v1/files/{id}/download`; the ticket is the caller's."""
    return f"{world.gateway}/_element/{route_name(master_key(world), element)}{path}"


def tickets_of(world: World, element: str, now: Clock = utc_now) -> Tickets:
    """What that element takes."""
    return Tickets(element, element_key(master_key(world), element), now)


def master_key(world: World) -> bytes:
    return parse_key((world.stack.layout.secrets / "ticket-master-key").read_text())
