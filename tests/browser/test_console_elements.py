"""A storage element from its first day to its last, as an admin lives through it (requirement C2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from console_element import another_element
from console_people import People
from console_visitor import Visitor, Visitors
from world import World, within

pytestmark = pytest.mark.e2e
NEW = "se-rw-7"
API = f"storage-elements/{NEW}"


@pytest.fixture
def admin(visitors: Visitors, people: People) -> Iterator[Visitor]:
    with visitors.window(people.admin) as visitor:
        yield visitor
        assert visitor.heard.taken() == []


@pytest.fixture
def element(world: World, people: People, tmp_path: Path) -> Iterator[str]:
    """The URL of one that nobody knows yet; forgotten at the end, whatever became of it."""
    with another_element(world, tmp_path, NEW) as url:
        yield url
        people.deleted(f"{API}?force=true")


def test_added_synced_checked_archived_forgotten(admin: Visitor, people: People, element: str) -> None:
    admin.open("elements")
    admin.follow("elements/_new")
    admin.page.fill("input[name=url]", element)
    with admin.page.expect_navigation():
        admin.page.click("button[value=discover]")
    admin.shows(NEW)
    admin.page.fill("textarea[name=description]", "Полка в зале № 2")
    with admin.page.expect_navigation():
        admin.page.click("button[value=register]")
    assert admin.path == f"elements/{NEW}"
    assert people.got(API)["description"] == "Полка в зале № 2"

    admin.follow("/edit")
    admin.send("/edit", description="Полка в зале № 3")
    assert "зале № 3" in admin.text
    within(20, lambda: people.got(f"{API}/syncs")["items"][0]["status"] == "succeeded", "the first sync ends")
    admin.open(f"elements/{NEW}")
    admin.send("/sync", full=True)
    within(20, lambda: people.got(f"{API}/syncs")["items"][0]["status"] == "succeeded", "the sync ends")
    admin.open(f"elements/{NEW}/syncs")
    assert admin.page.locator("main tbody tr").count() >= 2

    check(admin, people)
    change_mode(admin, people, "ro")
    change_mode(admin, people, "rw", confirm=True)
    change_mode(admin, people, "ro")
    change_mode(admin, people, "ar", confirm=True)
    assert admin.page.locator(f"main a[href*='{NEW}/mode?to=']").count() == 0

    admin.open(f"elements/{NEW}")
    admin.follow("/delete")
    admin.send("/delete")
    assert admin.path == "elements"
    assert NEW not in admin.page.locator("main table").inner_text()


def check(admin: Visitor, people: People) -> None:
    """Both checks, and their results without anybody asking for the page again."""
    admin.open(f"elements/{NEW}/checks")
    admin.send("/scrub")
    within(20, lambda: people.got(f"{API}/scrub")["finished_at"], "the scrub ends")
    admin.open(f"elements/{NEW}/checks")
    admin.send("/reconcile", checksums=True)
    admin.page.locator("#reconcile-state").get_by_text("done").wait_for()
    assert "nothing wrong" in admin.text


def change_mode(admin: Visitor, people: People, mode: str, **fields: bool) -> None:
    admin.open(f"elements/{NEW}/mode")
    admin.follow(f"/mode?to={mode}")
    admin.send("/mode", **fields)
    assert admin.path == f"elements/{NEW}"
    assert people.got(API)["mode"] == mode
    admin.open(f"elements/{NEW}/mode")


def test_one_that_does_not_answer_is_not_added(admin: Visitor) -> None:
    admin.heard.expected |= {400, 502, 503}
    for url in ("https://127.0.0.1:1", "http://127.0.0.1:1", "ftp://x"):
        admin.open("elements/_new")
        admin.page.fill("input[name=url]", url)
        with admin.page.expect_navigation():
            admin.page.click("button[value=discover]")
        assert admin.page.get_by_role("alert").is_visible()
        assert admin.page.input_value("input[name=url]") == url
        assert admin.page.locator("button[value=register]").count() == 0


def test_what_goes_wrong_is_said_on_the_page_without_a_reload(admin: Visitor, world: World) -> None:
    admin.open("elements/se-edit-1")
    world.stack.stop("se-edit-1")
    try:
        admin.shows("It is offline")
        admin.open("")
        admin.shows("se-edit-1")
        assert admin.page.locator(".alert", has_text="se-edit-1").count() > 0
    finally:
        world.stack.start("se-edit-1")
    admin.page.locator(".alert", has_text="se-edit-1").first.wait_for(state="detached")
    admin.heard.expected |= {502, 503}
    admin.heard.complaints = [one for one in admin.heard.complaints if "503" not in one and "502" not in one]
