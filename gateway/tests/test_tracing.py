"""Traces at the gateway: who begins one, who goes on with another's, and that a redirect does not end one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from artstore_gateway import Service, render
from artstore_gateway.discovery import ElementFiles
from artstore_gateway.elements import Element
from artstore_gateway.settings import GatewaySettings
from artstore_gateway.testing import Gateway, Upstream, free_ports, running_gateway

pytestmark = pytest.mark.integration

ONE = "a" * 24
FILE = f"/api/v1/files/{uuid4()}/download"
TRACE = "0af7651916cd43dd8448eb211c80319c"
KEPT, LEFT_OUT = f"00-{TRACE}-b7ad6b7169203331-01", f"00-{TRACE}-b7ad6b7169203331-00"


@asynccontextmanager
async def traced(directory: Path, **settings: Any) -> AsyncIterator[tuple[Gateway, Upstream]]:
    """A gateway with one element behind it. Nobody takes its spans."""
    port, collecting = free_ports(2)
    known, element = Element(ONE, f"http://127.0.0.1:{port}"), Upstream("element", port, lambda: {})
    given = {"elements_dir": directory / "routes", "otlp_endpoint": f"http://127.0.0.1:{collecting}", **settings}
    async with running_gateway(directory, **given) as gateway:
        await element.start()
        try:
            ElementFiles(gateway.settings).publish([known], [known])
            await reached(gateway, f"{gateway.url}/_element/{ONE}{FILE}")
            yield gateway, element
        finally:
            await element.stop()


async def reached(gateway: Gateway, url: str) -> None:
    """Until Envoy knows the route."""
    async with asyncio.timeout(60):
        while True:
            if (await gateway.client.get(url, params={"ticket": "x"})).status_code == 200:
                return
            await asyncio.sleep(0.02)


async def heard(gateway: Gateway, traceparent: str | None = None) -> list[str]:
    """The trace that admin hears of."""
    admin = gateway.upstreams[Service.ADMIN]
    headers = {} if traceparent is None else {"traceparent": traceparent}
    await gateway.client.get(f"{gateway.url}/admin", headers=headers)
    found: str = admin.last["headers"].get("traceparent", "")
    return found.split("-")


async def test_a_trace_begins_here_or_goes_on_as_its_caller_wants(tmp_path: Path) -> None:
    async with traced(tmp_path, trace_percent=100) as (gateway, _):
        begun, kept, left_out = [await heard(gateway, given) for given in (None, KEPT, LEFT_OUT)]
    assert (len(begun[1]), begun[3]) == (32, "01")
    assert (kept[1], kept[3]) == (TRACE, "01")
    assert (left_out[1], left_out[3]) == (TRACE, "00")


async def test_none_begins_where_none_is_wanted(tmp_path: Path) -> None:
    async with traced(tmp_path, trace_percent=0) as (gateway, _):
        begun, kept = [await heard(gateway, given) for given in (None, KEPT)]
    assert begun[3] == "00"
    assert (kept[1], kept[3]) == (TRACE, "01")


async def test_a_download_that_is_redirected_stays_in_its_trace(tmp_path: Path) -> None:
    async with traced(tmp_path) as (gateway, element):
        query = gateway.upstreams[Service.QUERY]
        query.redirect_to = f"http://any/_element/{ONE}{FILE}?ticket=x"
        answer = await gateway.client.get(f"{gateway.url}{FILE}", headers=gateway.bearer())
        assert answer.status_code == 200
        first, second = query.last["headers"]["traceparent"], element.last["headers"]["x-artstore-traceparent"]
    assert first.endswith("-01")
    assert second == first


def test_the_way_to_tiles_is_not_told() -> None:
    """It opens them."""
    rendered = render(GatewaySettings.model_validate({"otlp_endpoint": "http://127.0.0.1:4318"}))
    assert "/api/v1/renditions/{file_id}/tiles/{view}/**" in rendered
