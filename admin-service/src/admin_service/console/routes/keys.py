"""The keys that sign access tokens: how they stand, and the next one."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Response

from admin_service.console.door import Form, Visit
from admin_service.console.parts import Console

API: Final = "/api/v1/jwt-keys"
PAGE: Final = 50
Offset = Annotated[int, Query(ge=0, le=2**31 - 1)]


def router(console: Console) -> APIRouter:
    routes = APIRouter(prefix="/keys")
    visiting = Annotated[Visit, Depends(console.doors.visit)]
    filled_in = Annotated[Form, Depends(console.doors.form)]

    @routes.get("")
    async def list_page(visit: visiting, offset: Offset = 0) -> Response:
        return visit.show("keys/list.html", page=await visit.api.get(API, offset=offset, limit=PAGE))

    @routes.get("/rotate")
    async def rotate_page(visit: visiting) -> Response:
        return visit.show("keys/rotate.html")

    @routes.post("/rotate")
    async def rotate(visit: visiting, _given: filled_in) -> Response:
        await visit.api.post(f"{API}/rotate")
        return visit.go("keys", "key-rotation")

    @routes.get("/replace")
    async def replace_page(visit: visiting) -> Response:
        return visit.show("keys/replace.html")

    @routes.post("/replace")
    async def replace(visit: visiting, _given: filled_in) -> Response:
        """For a key that leaked."""
        await visit.api.post(f"{API}/rotate", {"immediate": True})
        return visit.go("keys", "keys-replaced")

    return routes
