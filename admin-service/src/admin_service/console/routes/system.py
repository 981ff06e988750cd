"""What runs here: versions, dependencies, and the settings in effect."""

import platform
from typing import Annotated, Final

from artstore_core.errors import ArtStoreError
from fastapi import APIRouter, Depends, Response

from admin_service.config import Settings
from admin_service.console.door import Visit
from admin_service.console.overview.facts import Watch
from admin_service.console.parts import Console
from admin_service.console.refusals import SignInNeeded

HIDDEN: Final = "**********"
"""What pydantic shows of a secret."""
PREFIX: Final = "AM_"


def router(console: Console) -> APIRouter:
    routes = APIRouter()
    watch = Watch(console.health, console.clock)
    visiting = Annotated[Visit, Depends(console.doors.visit)]

    @routes.get("/system")
    async def system(visit: visiting) -> Response:
        elements, error = None, None
        try:
            elements = await visit.api.get("/api/v1/storage-elements", limit=1000)
        except SignInNeeded:
            raise
        except ArtStoreError as refused:
            error = refused
        return visit.show(
            "system/page.html",
            services=await watch.services(visit.api),
            elements=elements,
            error=error,
            settings=_settings(console),
            python=platform.python_version(),
        )

    return routes


def _settings(console: Console) -> list[dict[str, str | bool]]:
    """By name; of a secret it is only said that there is one."""
    return [
        {
            "name": f"{PREFIX}{name.upper()}",
            "value": "" if value == HIDDEN else value,
            "secret": value == HIDDEN,
            "about": (field.description or "") if (field := Settings.model_fields.get(name)) else "",
        }
        for name, value in sorted(console.settings.items())
    ]
