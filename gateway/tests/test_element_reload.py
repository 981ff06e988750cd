"""Routes to elements while things change: the list, the element itself, its certificate; and what is told of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from artstore_gateway import GatewaySettings, Service, render
from artstore_gateway.discovery import ElementFiles
from artstore_gateway.elements import Element
from artstore_gateway.testing import Gateway, Upstream, free_ports, running_gateway, wait_for
from artstore_stack.tls import LocalCa

pytestmark = pytest.mark.integration

ONE, OTHER = "a" * 24, "b" * 24
FILE = f"/api/v1/files/{uuid4()}/download"
PART = f"/api/v1/uploads/{uuid4()}/parts/1"
TICKET = {"ticket": "SECRET"}


@asynccontextmanager
async def standing(port: int, **settings: Any) -> AsyncIterator[Upstream]:
    element = Upstream(f"element {port}", port, lambda: {}, **settings)
    await element.start()
    try:
        yield element
    finally:
        await element.stop()


async def got(gateway: Gateway, route: str) -> httpx.Response:
    """On the way in, where nothing is tried twice."""
    return await gateway.client.put(f"{gateway.url}/_element/{route}{PART}", params=TICKET)


async def until(gateway: Gateway, route: str, status: int, by: str = "") -> httpx.Response:
    async with asyncio.timeout(60):
        while True:
            answer = await got(gateway, route)
            if answer.status_code == status and by in answer.text:
                return answer
            await asyncio.sleep(0.02)


async def counted(gateway: Gateway, names: str) -> int:
    control = f"http://127.0.0.1:{gateway.settings.control_port}/stats"
    lines = (await gateway.client.get(control, params={"filter": names})).text.splitlines()
    return sum(int(line.split()[-1]) for line in lines)


async def test_routes_change_while_envoy_runs(tmp_path: Path) -> None:
    first, second = free_ports(2)
    one, other = Element(ONE, f"http://127.0.0.1:{first}"), Element(OTHER, f"http://127.0.0.1:{second}")
    moved = Element(ONE, other.url)
    async with (
        running_gateway(tmp_path, elements_dir=tmp_path / "routes") as gateway,
        standing(first),
        standing(second),
    ):
        files = ElementFiles(gateway.settings)
        assert (await got(gateway, ONE)).status_code == 404

        files.publish([one], [one])
        await until(gateway, ONE, 200, f"element {first}")
        assert (await got(gateway, OTHER)).status_code == 404

        files.publish([one, other], [one, other])
        await until(gateway, OTHER, 200, f"element {second}")

        files.publish([moved], [moved])
        await until(gateway, ONE, 200, f"element {second}")
        await until(gateway, OTHER, 404)

        # What cannot be read changes nothing, and the next good one counts again.
        (tmp_path / "half").write_text('{"resources": [')
        (tmp_path / "half").rename(tmp_path / "routes" / "routes.json")
        async with asyncio.timeout(60):
            while not await counted(gateway, "rds.artstore.update_(rejected|failure)"):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert (await got(gateway, ONE)).status_code == 200
        files.publish([], [])
        await until(gateway, ONE, 404)


async def test_a_gateway_begins_with_what_it_last_knew(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    settings = GatewaySettings(elements_dir=tmp_path / "routes")
    ElementFiles(settings).restore()
    ElementFiles(settings).remember([Element(ONE, f"http://127.0.0.1:{port}")])
    (tmp_path / "routes" / "routes.json").write_text("of an older version")
    async with running_gateway(tmp_path, elements_dir=tmp_path / "routes") as gateway, standing(port):
        assert (await until(gateway, ONE, 200)).json()["path"] == PART


async def test_an_element_that_is_away_is_asked_again_and_then_told_in_the_form(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    known = Element(ONE, f"http://127.0.0.1:{port}")
    async with running_gateway(tmp_path, elements_dir=tmp_path / "routes") as gateway:
        ElementFiles(gateway.settings).publish([known], [known])
        gateway.upstreams[Service.QUERY].redirect_to = f"http://any/_element/{ONE}{FILE}?ticket=SECRET"
        await until(gateway, ONE, 503)

        answer = await gateway.client.get(gateway.url + FILE, headers=gateway.bearer())

        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "STORAGE_UNAVAILABLE")
        assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]
        assert int(answer.headers["retry-after"]) > 0
        assert await counted(gateway, f"cluster.{known.cluster}.upstream_rq_retry$") >= 8


async def test_an_element_shows_its_certificate(tmp_path: Path) -> None:
    """Of the elements' authority, and with the name by which it is called."""
    good, stranger = LocalCa(tmp_path / "good"), LocalCa(tmp_path / "stranger")
    for ca in (good, stranger):
        ca.certificate.parent.mkdir()
    files = {name: ca.server("se") for name, ca in (("good", good), ("stranger", stranger))}
    tls = {name: (file.certificate, file.key) for name, file in files.items()}
    own, foreign, misnamed = free_ports(3)
    elements = [
        Element("a" * 24, f"https://127.0.0.1:{own}"),
        Element("b" * 24, f"https://127.0.0.1:{foreign}"),
        Element("c" * 24, f"https://127.0.0.2:{misnamed}"),
    ]
    routes: dict[str, Any] = {"elements_dir": tmp_path / "routes", "elements_ca_file": good.certificate}
    async with (
        running_gateway(tmp_path, **routes) as gateway,
        standing(own, tls=tls["good"]),
        standing(foreign, tls=tls["stranger"]) as impostor,
        standing(misnamed, tls=tls["good"], host="127.0.0.2") as other,
    ):
        ElementFiles(gateway.settings).publish(elements, elements)

        await until(gateway, "a" * 24, 200)
        for route in ("b" * 24, "c" * 24):
            assert (await got(gateway, route)).status_code == 503
        assert (impostor.last, other.last) == ({}, {})


async def test_neither_the_log_nor_a_trace_has_a_ticket(tmp_path: Path) -> None:
    port, collecting = free_ports(2)
    known = Element(ONE, f"http://127.0.0.1:{port}")
    settings: dict[str, Any] = {"elements_dir": tmp_path / "routes", "otlp_endpoint": f"http://127.0.0.1:{collecting}"}
    async with (
        standing(collecting) as collector,
        running_gateway(tmp_path, **settings) as gateway,
        standing(port),
    ):
        ElementFiles(gateway.settings).publish([known], [known])
        await until(gateway, ONE, 200)
        query = gateway.upstreams[Service.QUERY]
        query.redirect_to = f"http://any/_element/{ONE}{FILE}?ticket=SECRET-2"
        await gateway.client.get(f"{gateway.url}/api/v1/links/other?ticket=SECRET-3")
        # With an id that Envoy makes: it traces by that.
        await gateway.client.get(f"{gateway.url}/api/v1/links/download?ticket=SECRET-4")

        await wait_for(
            lambda: b"307" in collector.received and b"egress" in collector.received, "the spans", seconds=60
        )
        await wait_for(lambda: "internal_redirect" in gateway.log.read_text(), "the access log", seconds=60)

        assert FILE.encode() in collector.received
        assert b"SECRET" not in collector.received
        assert b"ticket" not in collector.received
        assert "SECRET" not in gateway.log.read_text()


def test_what_envoy_reads_is_made_from_the_same_settings_each_time(tmp_path: Path) -> None:
    settings = GatewaySettings(elements_dir=tmp_path / "routes")
    files, known = ElementFiles(settings), Element(ONE, "https://127.0.0.1:1")
    files.restore()
    files.remember([known])
    files.restore()
    before = {path.name: (path.read_text(), path.stat().st_ino) for path in (tmp_path / "routes").iterdir()}

    files.publish([known], [known])

    assert {path.name: (path.read_text(), path.stat().st_ino) for path in (tmp_path / "routes").iterdir()} == before
    assert ONE not in render(settings)
    assert json.loads(before["elements.json"][0]) == [{"route": ONE, "url": known.url}]
