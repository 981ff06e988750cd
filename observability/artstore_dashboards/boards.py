"""All dashboards."""

from __future__ import annotations

from artstore_dashboards.elements import elements
from artstore_dashboards.model import Dashboard
from artstore_dashboards.overview import overview
from artstore_dashboards.services import services
from artstore_dashboards.work import work


def boards() -> list[Dashboard]:
    return [overview(), services(), elements(), work()]
