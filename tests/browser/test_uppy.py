"""Uppy in a real browser, from a page of another origin: it uploads by tus, is cut in the middle, and goes on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from held_way import HeldWay, held_way
from uppy import built_page, served
from world import World, sha256

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.e2e
MIB = 1024 * 1024
SIZE = 48 * MIB + 17
ROOM = 12 * MIB
"""What gets through before the cut."""
PATIENCE = 60.0
"""Seconds."""


@pytest.fixture(scope="module")
def site(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(built_page(tmp_path_factory.mktemp("uppy")), world.page_port):
        yield f"http://127.0.0.1:{world.page_port}"


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    with chromium.new_context() as context:
        context.set_default_timeout(PATIENCE * 1000)
        yield context


@pytest.fixture
def way(world: World) -> Iterator[HeldWay]:
    with held_way(int(world.gateway.rpartition(":")[2]), ROOM) as way:
        yield way


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "большой файл.bin"
    path.write_bytes(os.urandom(SIZE))
    return path


def begin(world: World, page: Page, site: str, file: Path, gateway: str) -> None:
    page.goto(f"{site}/index.html")
    page.set_input_files("input", file)
    token = world.bearer()["Authorization"].removeprefix("Bearer ")
    meta = {"tags": "из браузера", "retention_policy": "temporary"}
    page.evaluate("begin", {"endpoint": f"{gateway}/api/v1/uploads", "token": token, "meta": meta})


def watched(page: Page) -> list[str]:
    """The methods of every request to the gateway's uploads from now on, questions of CORS left out."""
    asked: list[str] = []

    def note(method: str, url: str) -> None:
        if "/api/v1/uploads" in url and method != "OPTIONS":
            asked.append(method)

    page.on("request", lambda request: note(request.method, request.url))
    return asked


def check(world: World, page: Page, file: Path, asked: list[str]) -> None:
    """One upload was begun and asked where it stands, and the file is what was chosen."""
    page.wait_for_function("seen.result")
    result = page.evaluate("seen.result")
    assert (len(result["urls"]), result["errors"]) == (1, [])
    assert asked.count("POST") == 1
    assert "HEAD" in asked
    file_id = result["urls"][0].rpartition("/")[2]
    back = world.download(file_id)
    assert (back.status_code, sha256(back.content)) == (200, sha256(file.read_bytes()))
    told = world.http.get(f"{world.gateway}/api/v1/uploads/{file_id}", headers=world.bearer()).json()["file"]
    assert told["original_filename"] == file.name
    assert (told["tags"], told["retention_policy"]) == (["из браузера"], "temporary")


def test_network_is_away_for_a_while(
    world: World, context: BrowserContext, site: str, file: Path, way: HeldWay
) -> None:
    page = context.new_page()
    asked = watched(page)
    begin(world, page, site, file, way.url)
    assert way.held.wait(PATIENCE)
    with page.expect_event("requestfailed", lambda request: request.method == "PATCH"):
        context.set_offline(True)
        way.cut()
    assert page.evaluate("seen.result") is None
    way.mend()
    context.set_offline(False)
    check(world, page, file, asked)


def test_page_is_closed_and_opened_again(
    world: World, context: BrowserContext, site: str, file: Path, way: HeldWay
) -> None:
    page = context.new_page()
    asked = watched(page)
    begin(world, page, site, file, way.url)
    assert way.held.wait(PATIENCE)
    assert page.evaluate("seen.result") is None
    page.close()
    way.cut()
    way.mend()
    again = context.new_page()
    asked_again = watched(again)
    begin(world, again, site, file, way.url)
    check(world, again, file, asked + asked_again)
    assert "POST" not in asked_again


def test_page_of_an_unknown_origin_is_kept_out(world: World, context: BrowserContext, site: str, file: Path) -> None:
    page = context.new_page()
    asked = watched(page)
    with page.expect_event("requestfailed", lambda request: "/api/v1/uploads" in request.url):
        begin(world, page, site.replace("127.0.0.1", "localhost"), file, world.gateway)
    assert page.evaluate("seen.sent") == 0
    assert set(asked) <= {"POST"}
