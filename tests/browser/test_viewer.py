"""OpenSeadragon in a real browser, on a page of another origin, shows previews that the real worker has made."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from artstore_corpus.pdfs import hundred_pages
from big_picture import CORNER, BigPicture, big_picture, blurred, colour_difference, difference
from deep_zoom import VIEWPORT, Viewer, ViewerFailed, open_viewer, viewer_page
from renditions_seen import await_previews, renditions, tiles
from uppy import served
from world import World

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.e2e
SIDE = int(os.environ.get("ARTSTORE_VIEWER_SIDE", "0"))
"""Pixels, for a square picture; a smaller one than `make soak-viewer`'s unless it is given."""
SIZE = (SIDE, SIDE) if SIDE else (6000, 4000)
SCREENSHOTS = os.environ.get("ARTSTORE_SCREENSHOTS")
"""A directory to keep them in."""
PATIENCE = 600.0 if SIDE else 120.0
"""Seconds; the worker takes about 2 of them, or 10 at 20,000 x 20,000."""
PAGES = 5


@pytest.fixture(scope="module")
def site(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(viewer_page(tmp_path_factory.mktemp("viewer")), world.page_port):
        yield f"http://127.0.0.1:{world.page_port}"


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> BigPicture:
    return big_picture(tmp_path_factory.mktemp("picture") / "картина.jpg", *SIZE)


@pytest.fixture(scope="module")
def file_id(world: World, picture: BigPicture) -> str:
    found = str(world.uploaded(picture.path.read_bytes(), picture.path.name)["file_id"])
    await_previews(world, found, PATIENCE)
    return found


@pytest.fixture
def viewer(chromium: Browser, site: str) -> Iterator[Viewer]:
    with open_viewer(chromium, site) as viewer:
        yield viewer


def keep(viewer: Viewer, element: str, name: str) -> None:
    if SCREENSHOTS is not None:
        viewer.keep(element, Path(SCREENSHOTS) / f"{name}.webp")


def check_corner(viewer: Viewer, picture: BigPicture, place: tuple[int, int]) -> None:
    """Zooms in until the corner there fills the viewer; it is what the picture has there, and no smaller level of it."""
    x = min(place[0], picture.width - VIEWPORT[0])
    y = min(place[1], picture.height - VIEWPORT[1])
    viewer.zoom(x, y)
    left, top = place[0] - x, place[1] - y
    shown = viewer.shown().crop((left, top, left + CORNER[0], top + CORNER[1]))
    corner = picture.corners[place]
    assert difference(shown, corner) < 4, "not what the picture has there"
    assert colour_difference(shown, corner) < 8
    assert difference(blurred(corner), corner) > 40  # so what is less than sharp would be told


@pytest.mark.parametrize(("way", "name"), [("url", "dzi"), ("iiif", "iiif")])
def test_corner_is_sharp(world: World, viewer: Viewer, picture: BigPicture, file_id: str, way: str, name: str) -> None:
    row = tiles(world, file_id)
    assert (row["width"], row["height"], row["ready"]) == (picture.width, picture.height, True)
    assert viewer.show(row[way]) == (picture.width, picture.height)
    keep(viewer, "#viewer", f"deep-zoom-{name}-whole")
    _, last = picture.corners
    check_corner(viewer, picture, last)
    keep(viewer, "#viewer", f"deep-zoom-{name}-corner")
    assert viewer.complaints == []
    below = row[way].rpartition("/")[0]
    assert any(url.startswith(below) and url.endswith(".jpg") for url in viewer.answered)


def test_urls_go_on_working_with_another_token(world: World, viewer: Viewer, picture: BigPicture, file_id: str) -> None:
    first = tiles(world, file_id, _fresh(world))
    viewer.show(first["url"])
    one, other = picture.corners
    check_corner(viewer, picture, one)
    seen = set(viewer.answered)
    renewed = tiles(world, file_id, _fresh(world))
    assert (renewed["url"], renewed["iiif"]) == (first["url"], first["iiif"])
    check_corner(viewer, picture, other)
    assert set(viewer.answered) - seen, "no tile was asked for since"
    assert viewer.complaints == []


def test_page_of_an_unknown_origin_is_kept_out(world: World, chromium: Browser, site: str, file_id: str) -> None:
    url = tiles(world, file_id)["url"]
    with open_viewer(chromium, site.replace("127.0.0.1", "localhost")) as viewer:
        told = viewer.page.expect_console_message(lambda message: "CORS" in message.text)
        with told, pytest.raises(ViewerFailed, match="HTTP 0 attempting to load"):
            viewer.show(url)


def test_pages_of_a_document(world: World, viewer: Viewer, tmp_path: Path) -> None:
    path = tmp_path / "пять страниц.pdf"
    hundred_pages(path, PAGES)
    file_id = str(world.uploaded(path.read_bytes(), path.name)["file_id"])
    await_previews(world, file_id, PATIENCE)
    rows = [row for row in renditions(world, file_id) if row["kind"] == "page"]
    widths: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        widths.setdefault(row["width"], []).append(row)
    assert {width: sorted(row["page"] for row in found) for width, found in widths.items()} == {
        width: list(range(1, PAGES + 1)) for width in (512, 1024, 2048)
    }
    for width, found in widths.items():
        urls = [row["url"] for row in sorted(found, key=lambda row: int(row["page"]))]
        assert all(re.search(r"\?ticket=.", url) for url in urls)
        assert viewer.pictures(urls) == [width] * PAGES
    keep(viewer, "#pages", "document-pages")
    assert viewer.complaints == []


def _fresh(world: World) -> dict[str, str]:
    return {"Authorization": f"Bearer {world.new_token()}"}
