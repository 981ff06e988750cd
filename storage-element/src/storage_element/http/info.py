"""`/api/v1/info`: what the element says of itself to anybody (requirement S9)."""

from __future__ import annotations

from artstore_core.elements import ElementInfo
from fastapi import APIRouter

from storage_element.store.element import Element


def info_router(element: Element) -> APIRouter:
    router = APIRouter(prefix="/api/v1", tags=["element"])

    @router.get("/info")
    async def get_info() -> ElementInfo:
        """Id, mode, version, room and what the mode allows. No token needed."""
        return await element.info()

    return router
