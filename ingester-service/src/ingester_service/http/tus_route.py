"""What all tus requests share: the version, and the header that says it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from artstore_core.errors import ArtStoreError, PreconditionFailed
from fastapi import Request, Response
from fastapi.routing import APIRoute

VERSION: Final = "1.0.0"
_MUST_SAY: Final = frozenset({"HEAD", "PATCH", "POST"})
"""GET and DELETE are for other clients as well."""


class TusRoute(APIRoute):
    """Refuses other versions before anything else is looked at (tus 1.0.0, "Tus-Resumable")."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def versioned(request: Request) -> Response:
            try:
                _check_version(request)
                response = await handle(request)
            except ArtStoreError as error:
                error.headers.setdefault("Tus-Resumable", VERSION)
                raise
            response.headers.setdefault("Tus-Resumable", VERSION)
            return response

        return versioned


def _check_version(request: Request) -> None:
    if request.method == "OPTIONS":
        return
    said = request.headers.get("tus-resumable")
    if said == VERSION or (said is None and request.method not in _MUST_SAY):
        return
    raise PreconditionFailed(
        "This speaks tus 1.0.0",
        details={"Tus-Resumable": f"must be {VERSION}"},
        headers={"Tus-Version": VERSION},
    )
