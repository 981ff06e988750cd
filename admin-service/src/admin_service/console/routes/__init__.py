"""The console's pages, a module for each part of the menu."""

from collections.abc import Callable
from typing import Final

from fastapi import APIRouter

from admin_service.console.parts import Console
from admin_service.console.routes import (
    accounts,
    audit,
    element_work,
    elements,
    files,
    keys,
    overview,
    render_jobs,
    sign_in,
    system,
    users,
)

ROUTERS: Final[tuple[Callable[[Console], APIRouter], ...]] = (
    sign_in.router,
    elements.router,
    element_work.router,
    files.router,
    accounts.router,
    users.router,
    keys.router,
    audit.router,
    render_jobs.router,
    overview.router,
    system.router,
)
