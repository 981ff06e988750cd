"""Every row of the API's table through the real Envoy: the right service by method, 405 and 404 for the rest."""

from __future__ import annotations

import re

import pytest
from artstore_gateway import ROUTES, Resource, Route
from artstore_gateway.testing import Gateway

pytestmark = pytest.mark.integration

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

ROWS = [
    pytest.param(resource, route, method, id=f"{method} {resource.path}")
    for resource in ROUTES
    for route in resource.routes
    for method in route.methods
]


def concrete(path: str) -> str:
    return re.sub(r"\{\w+\}", "0192-x", path).replace("/**", "/a/b.css")


@pytest.mark.parametrize(("resource", "route", "method"), ROWS)
async def test_reaches_its_service(gateway: Gateway, resource: Resource, route: Route, method: str) -> None:
    url = gateway.url + concrete(resource.path)

    response = await gateway.client.request(method, url, headers=gateway.bearer())

    assert response.status_code == 200
    if method != "HEAD" and "jwks" not in url:
        assert response.json()["service"] == route.service
        assert response.json()["path"] == concrete(resource.path)


@pytest.mark.parametrize("resource", ROUTES, ids=lambda resource: resource.path)
async def test_other_methods_are_405_with_allow(gateway: Gateway, resource: Resource) -> None:
    for method in (name for name in METHODS if name not in resource.methods):
        response = await gateway.client.request(method, gateway.url + concrete(resource.path))

        assert response.status_code == 405, method
        assert response.headers["allow"] == ", ".join(resource.methods)
        if method != "HEAD":
            assert response.json()["error"]["code"] == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize(
    "path",
    [
        "/", "/health/live", "/health/ready", "/metrics", "/openapi.json", "/docs", "/api/v1", "/api/v1/files",
        "/api/v1/files/", "/api/v1/files/a/b", "/api/v1/info", "/api/v1/search/", "/administrator",
        "/api/v1/uploads/a/b", "/.well-known/openid-configuration", "/_element/x/y", "/api/v2/search",
    ],
)  # fmt: skip
async def test_unknown_paths_are_404(gateway: Gateway, path: str) -> None:
    response = await gateway.client.get(gateway.url + path, headers=gateway.bearer())

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/json"
    assert response.json()["error"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize("path", ["/api/v1/audit", "/api/v1/registry/files"])
async def test_intake_between_services_is_not_reachable(gateway: Gateway, path: str) -> None:
    response = await gateway.client.post(gateway.url + path, json={}, headers=gateway.bearer())

    assert response.status_code == 405
    assert response.headers["allow"] == "GET"


@pytest.mark.parametrize("path", ["/api/v1/files/a%2Fdownload", "/api/v1/files/a%5Cb", "/api/v1%2ffiles/x"])
async def test_escaped_slashes_are_refused(gateway: Gateway, path: str) -> None:
    response = await gateway.client.get(gateway.url + path, headers=gateway.bearer())

    assert response.status_code == 400
    assert response.json()["error"]["code"] == "VALIDATION_ERROR"


async def test_a_path_has_one_spelling(gateway: Gateway) -> None:
    response = await gateway.client.get(gateway.url + "/api//v1/audit/../files/x1", headers=gateway.bearer())

    assert response.json()["path"] == "/api/v1/files/x1"


async def test_services_hear_the_clients_address_last_whatever_it_says_itself(gateway: Gateway) -> None:
    """They believe the last entry alone. For a client on Envoy's own machine that is the machine's address."""
    spoofed = ["198.51.100.9", "198.51.100.4"]
    headers = gateway.bearer() | {"X-Forwarded-For": ", ".join(spoofed)}

    response = await gateway.client.get(gateway.url + "/api/v1/files/x1", headers=headers)

    *told, last = [entry.strip() for entry in response.json()["headers"]["x-forwarded-for"].split(",")]
    assert told == spoofed
    assert last not in spoofed
