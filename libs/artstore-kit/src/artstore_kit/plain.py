"""Routes for what is asked thousands of times a second.

FastAPI's way from a request to an endpoint's parameters, and from its result to bytes, costs more than storing a small
file does. Such an endpoint takes the request, gives the response, and asks for what it needs itself, its caller's token
first; the contract is told beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

from artstore_core.errors import ValidationFailed
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from artstore_kit.direct import DirectRoute


class PlainRoute(APIRoute):
    """Runs its endpoint and nothing else; domain errors are rendered as everywhere."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        endpoint: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return endpoint


def direct_routes(router: APIRouter) -> list[DirectRoute]:
    """The plain routes of a router, for the app's short way to them."""
    return [
        DirectRoute(frozenset(route.methods or ()), route.path, route.endpoint)
        for route in router.routes
        if isinstance(route, PlainRoute)
    ]


def parameter(
    name: str, place: str, description: str, schema: dict[str, Any] | None = None, *, required: bool = False
) -> dict[str, Any]:
    """One parameter of the contract (OpenAPI 3.1 §4.8.12)."""
    return {
        "name": name,
        "in": place,
        "required": required,
        "description": description,
        "schema": schema or {"type": "string"},
    }


FILE_ID_PARAMETER = parameter("file_id", "path", "The file's id", {"type": "string", "format": "uuid"}, required=True)


def file_id_of(request: Request) -> UUID:
    """The id in the path. Raises ValidationFailed."""
    try:
        return UUID(request.path_params["file_id"])
    except ValueError:
        raise ValidationFailed("The request is not valid", details={"file_id": "must be a UUID"}) from None
