"""The running element keeps its ballast, counts it, and finds nothing wrong with it."""

from __future__ import annotations

from typing import Any

from artstore_core.ids import new_id
from element_upkeep import metrics, run, stored

MIB = 1024 * 1024


async def test_it_is_made_and_counted(make: Any) -> None:
    api = await make.start(ballast_bytes=2 * MIB, capacity_bytes=10 * MIB)
    await api.app.state.ballast.once()
    await stored(api, 2)
    info = (await api.client.get("/api/v1/info")).json()
    assert info["used_bytes"] == 2 * MIB + 2000
    assert info["available_bytes"] == 8 * MIB - 2000
    assert (await metrics(api))["artstore_element_ballast_bytes"] == 2 * MIB
    assert (await api.begin(new_id(), 8 * MIB)).status_code == 507
    for job in ("reconcile", "scrub"):
        assert (await run(api, job))["counts"] == {}
    assert (api.root / "ballast").stat().st_size == 2 * MIB


async def test_a_root_without_one_works_and_gets_none_where_none_is_wanted(make: Any) -> None:
    api = await make.start(ballast_bytes=MIB)
    await api.app.state.ballast.once()
    assert (api.root / "ballast").stat().st_size == MIB
    await make.stop()
    api = await make.start(ballast_bytes=0)
    await stored(api, 1)
    await api.app.state.ballast.once()
    assert not (api.root / "ballast").exists()
    assert (await api.client.get("/api/v1/info")).json()["used_bytes"] == 1000
