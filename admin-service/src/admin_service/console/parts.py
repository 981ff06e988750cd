"""What the console's routes are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from artstore_kit.health import Health

from admin_service.console.door import Doors
from admin_service.console.pages import Pages
from admin_service.console.visits import Visits
from admin_service.identity.clock import Clock
from admin_service.store import Store


@dataclass(frozen=True, slots=True)
class Console:
    """`settings`: those in effect, by name, without the secrets among them."""

    doors: Doors
    pages: Pages
    visits: Visits
    store: Store
    clock: Clock
    health: Health
    settings: Mapping[str, str]
