"""Signing in and out of the console in a real browser, and what others could make of it (requirements C5, C6)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from console_people import People
from console_visitor import VISIT_COOKIE, Visitor, Visitors
from uppy import served
from world import World

pytestmark = pytest.mark.e2e
FORGED = """<!doctype html><form method="post" action="{url}">{fields}<button>Win a prize</button></form>"""


@pytest.fixture
def stranger(visitors: Visitors) -> Iterator[Visitor]:
    """Nobody yet."""
    with visitors.window() as visitor:
        yield visitor


@pytest.fixture
def admin(visitors: Visitors, people: People) -> Iterator[Visitor]:
    with visitors.window() as visitor:
        visitor.open("sign-in")
        visitor.sign_in(people.admin, people.passwords[people.admin])
        yield visitor


def test_in_to_the_page_that_was_asked_for_and_out(stranger: Visitor, people: People) -> None:
    stranger.open("password?a=1")
    assert stranger.path == "sign-in?next=/admin/password%3Fa%3D1"
    stranger.sign_in(people.reader, "wrong")
    assert "wrong" in stranger.page.get_by_role("alert").inner_text()
    assert stranger.page.input_value("#username") == people.reader
    assert stranger.page.input_value("#password") == ""
    stranger.sign_in(people.reader, people.passwords[people.reader])
    assert stranger.path == "password?a=1"
    assert stranger.page.locator(".who").inner_text() == people.reader
    stranger.sign_out()
    assert "signed out" in stranger.page.get_by_role("status").inner_text()
    stranger.heard.expected.add(401)
    assert [one for one in stranger.heard.taken() if "401" not in one] == []


def test_the_cookie_is_out_of_a_scripts_reach_and_goes_by_tls_alone_where_there_is_tls(
    visitors: Visitors, world: World, people: People
) -> None:
    for gateway in (world.gateway, world.credentials["gateway_tls"]):
        with visitors.window(gateway=gateway) as visitor:
            visitor.open("sign-in")
            visitor.sign_in(people.reader, people.passwords[people.reader])
            assert visitor.path == ""
            (cookie,) = [one for one in visitor.context.cookies() if one.get("name") == VISIT_COOKIE]
            assert (cookie.get("httpOnly"), cookie.get("sameSite"), cookie.get("path")) == (True, "Lax", "/admin")
            assert cookie.get("secure") is gateway.startswith("https")
            assert VISIT_COOKIE not in visitor.page.evaluate("document.cookie")
            assert visitor.heard.taken() == []


def test_the_way_back_shows_nothing_after_the_sign_out(admin: Visitor) -> None:
    admin.open("password")
    cookie = admin.cookie()
    assert cookie is not None
    admin.sign_out()
    assert admin.cookie() is None
    for _ in range(2):
        admin.page.go_back()
        admin.page.wait_for_url("**/sign-in**")
        assert admin.page.locator("#username").is_visible()
    admin.context.add_cookies([{"name": VISIT_COOKIE, "value": cookie, "url": admin.url()}])
    admin.open("password")
    assert admin.path.startswith("sign-in"), "a cookie that somebody kept was good after the sign-out"


def test_a_cookie_that_was_there_before_is_nobodys(stranger: Visitor, people: People) -> None:
    planted = "chosen-by-a-stranger"
    stranger.context.add_cookies([{"name": VISIT_COOKIE, "value": planted, "domain": "127.0.0.1", "path": "/admin"}])
    stranger.open("sign-in")
    before = stranger.csrf()
    stranger.sign_in(people.reader, people.passwords[people.reader])
    assert stranger.cookie() not in (None, planted)
    stranger.open("password")
    assert stranger.csrf() != before


@pytest.mark.parametrize("elsewhere", ["https://evil.test/", "//evil.test/", "/\\evil.test/", "javascript:alert(1)"])
def test_nobody_is_sent_elsewhere(stranger: Visitor, people: People, elsewhere: str) -> None:
    stranger.page.goto(stranger.url("sign-in") + f"?next={elsewhere}")
    stranger.sign_in(people.reader, people.passwords[people.reader])
    assert (stranger.path, stranger.heard.taken()) == ("", [])


def test_a_form_on_another_page_does_nothing(visitors: Visitors, world: World, people: People, tmp_path: Path) -> None:
    """The browser sends it; its cookie stays at home (SameSite), and its origin would give it away."""
    fields = "".join(
        f'<input name="{name}" value="a new long password">' for name in ("current_password", "new_password", "again")
    )
    (tmp_path / "index.html").write_text(FORGED.format(url=f"{visitors.base}/password", fields=fields))
    with served(tmp_path, world.page_port), visitors.window(people.admin) as visitor:
        visitor.heard.host = f"127.0.0.1:{world.page_port}"
        visitor.page.goto(f"http://127.0.0.1:{world.page_port}/index.html")
        with visitor.page.expect_response(f"{visitors.base}/password") as answered:
            visitor.page.click("button")
        assert answered.value.status in (303, 403)
        visitor.open("password")
        assert visitor.page.locator("#new_password").is_visible(), "the visit is over"


def test_no_other_page_holds_it_in_a_frame(visitors: Visitors, world: World, people: People, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(f'<!doctype html><iframe src="{visitors.base}/password"></iframe>')
    with served(tmp_path, world.page_port), visitors.window(people.admin) as visitor:
        visitor.page.goto(f"http://127.0.0.1:{world.page_port}/index.html")
        frame = visitor.page.frames[-1]
        assert frame.url.startswith("chrome-error:")


def test_another_password_by_hand(visitors: Visitors, people: People) -> None:
    people.user("новый-сотрудник")
    old, new = people.passwords["новый-сотрудник"], "another long password 2"
    with visitors.window("новый-сотрудник") as visitor:
        visitor.heard.expected |= {400, 401}
        for given, again, said in (("wrong", new, "wrong"), (old, "something else", "another"), (old, new, "changed")):
            visitor.open("password")
            for name, value in (("current_password", given), ("new_password", new), ("again", again)):
                visitor.page.fill(f"#{name}", value)
            visitor.page.press("#again", "Enter")
            visitor.page.wait_for_load_state()
            assert said in visitor.page.locator("main").inner_text()
        visitor.sign_out()
        visitor.sign_in("новый-сотрудник", new)
        assert visitor.path == ""


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_language_and_colours_as_one_likes_them(visitors: Visitors, script: bool) -> None:
    with visitors.window(script=script) as visitor:
        visitor.open("sign-in")
        plain = visitor.page.locator("body").screenshot()
        visitor.page.get_by_role("button", name="Русский").click()
        visitor.page.get_by_role("button", name="Тёмные").click()
        page = visitor.page.locator("html")
        assert (page.get_attribute("lang"), page.get_attribute("data-theme")) == ("ru", "dark")
        assert visitor.page.get_by_label("Пароль").is_visible()
        assert visitor.page.locator("body").screenshot() != plain
        assert visitor.heard.taken() == []
