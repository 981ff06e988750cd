"""The list of elements becomes files: clusters first, routes after; and what fails changes nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from artstore_gateway import GatewaySettings
from artstore_gateway.discovery import ElementFiles
from artstore_gateway.elements import BYTES_ROUTE, Element
from artstore_gateway.following import AdminList, Following
from artstore_tickets import route_key, route_name

ONE, OTHER = Element("a" * 24, "https://127.0.0.1:1"), Element("b" * 24, "https://127.0.0.1:2")
MASTER = bytes(range(32))


@dataclass
class Listed:
    """An ElementList."""

    elements: list[Element] = field(default_factory=list)
    fails: Exception | None = None

    async def all(self) -> Sequence[Element]:
        if self.fails is not None:
            raise self.fails
        return self.elements


@dataclass
class Written:
    directory: Path

    def clusters(self) -> set[str]:
        return {one["name"].removeprefix("element-") for one in self._resources("clusters")}

    def routes(self) -> set[str]:
        (table,) = self._resources("routes")
        routes = table["virtual_hosts"][0]["routes"]
        return {one["route"]["cluster"].removeprefix("element-") for one in routes if one["name"] == BYTES_ROUTE}

    def _resources(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads((self.directory / f"{name}.json").read_text())["resources"]
        return found


@pytest.fixture
def files(tmp_path: Path) -> ElementFiles:
    files = ElementFiles(GatewaySettings(elements_dir=tmp_path))
    files.restore()
    return files


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path)


async def test_a_route_comes_after_its_cluster_and_goes_before_it(files: ElementFiles, written: Written) -> None:
    listed = Listed([ONE])
    following = Following(files, listed, 60)

    assert not await following.round()
    assert (written.clusters(), written.routes()) == ({ONE.route}, set())
    assert not files.known.exists()
    assert await following.round()
    assert (written.clusters(), written.routes()) == ({ONE.route}, {ONE.route})
    assert files.remembered() == (ONE,)

    listed.elements = [OTHER]
    assert not await following.round()
    assert (written.clusters(), written.routes()) == ({ONE.route, OTHER.route}, set())
    assert await following.round()
    assert (written.clusters(), written.routes()) == ({OTHER.route}, {OTHER.route})
    assert files.remembered() == (OTHER,)


@pytest.mark.parametrize("trouble", [httpx.ConnectError("away"), ValueError("no JSON"), KeyError("access_token")])
async def test_the_last_files_stay_while_admin_is_away(
    files: ElementFiles, written: Written, trouble: Exception
) -> None:
    files.remember([ONE])
    files.restore()

    assert await Following(files, Listed(fails=trouble), 60).round()

    assert (written.clusters(), written.routes()) == ({ONE.route}, {ONE.route})


async def test_what_cannot_be_written_is_tried_again(files: ElementFiles, written: Written) -> None:
    listed = Listed([ONE])
    following = Following(files, listed, 60)
    blocked = written.directory / ".clusters.json.new"
    blocked.mkdir()

    assert not await following.round()
    assert written.clusters() == set()
    blocked.rmdir()
    await following.round()
    await following.round()

    assert (written.clusters(), written.routes()) == ({ONE.route}, {ONE.route})


async def test_it_ends_when_it_is_told_to(files: ElementFiles) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(Following(files, Listed([ONE]), 300).run(stop))
    async with asyncio.timeout(60):
        while not files.known.exists():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        stop.set()
        await running


async def admin(scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG001
    """Admin's list: three elements, one of them at an address that is none, in pages of what was asked for."""
    query = httpx.QueryParams(scope["query_string"].decode())
    urls = {"se-b": "https://[::1]:8010", "se-a": "https://a.example/", "se-x": "https://a b/?c"}
    items = [{"storage_id": name, "url": url, "mode": "rw"} for name, url in urls.items()]
    at = int(query["offset"])
    body = json.dumps({"items": items[at : at + 2], "total": 2 * int(query["limit"])}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


async def test_admins_list_becomes_names_that_tell_nothing() -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(admin), base_url="http://admin") as client:
        found = await AdminList(client, route_key(MASTER)).all()

    assert set(found) == {
        Element(route_name(MASTER, "se-a"), "https://a.example"),
        Element(route_name(MASTER, "se-b"), "https://[::1]:8010"),
    }
