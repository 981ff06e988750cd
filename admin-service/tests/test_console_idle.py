"""A visit whose idle time is as short as it may be."""

from __future__ import annotations

import pytest
from admin_people import MovedClock
from admin_service.config import Settings
from console_support import Browser


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"console_idle_seconds": 60})


async def test_who_is_there_is_not_taken_for_gone(visitor: Browser, clock: MovedClock) -> None:
    for _ in range(10):
        clock.move(seconds=50)
        assert (await visitor.get("password")).status_code == 200
    clock.move(seconds=61)
    assert (await visitor.get("password")).status_code == 303
