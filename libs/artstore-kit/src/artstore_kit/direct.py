"""A short way for what is asked thousands of times a second.

Such a request goes to its endpoint right behind what surrounds every request (ids, access log, metrics, limits). The
framework's router, which knows the same endpoint for its contract and for every other method of the path, costs about as
much as storing a small file does.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from artstore_core.errors import ArtStoreError
from fastapi import Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from artstore_kit.errors import error_response

Endpoint = Callable[[Request], Awaitable[Response]]
_PARAMETER: Final = re.compile(r"{(\w+)}")


@dataclass(frozen=True, slots=True)
class DirectRoute:
    """`path` as FastAPI writes it; a parameter stands for one segment. The endpoint checks who asks, and everything."""

    methods: frozenset[str]
    path: str
    endpoint: Endpoint


class Direct:
    """Answers what one of its routes matches, and passes on all else."""

    def __init__(self, app: ASGIApp, routes: Sequence[DirectRoute]) -> None:
        self._app = app
        self._routes = [(re.compile(_PARAMETER.sub(r"(?P<\1>[^/]+)", route.path)), route) for route in routes]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for pattern, route in self._routes:
                if scope["method"] in route.methods and (match := pattern.fullmatch(scope["path"])) is not None:
                    # Under these names the framework's router leaves them: metrics and traces read the route's path.
                    scope["path_params"], scope["route"] = match.groupdict(), route
                    return await self._answer(route, scope, receive, send)
        return await self._app(scope, receive, send)

    async def _answer(self, route: DirectRoute, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await route.endpoint(Request(scope, receive))
        except ArtStoreError as error:
            response = error_response(error)
        await response(scope, receive, send)
