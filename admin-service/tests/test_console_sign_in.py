"""Who gets into the console, how long, and what a stranger's page can make of it (requirements C5, C6)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from admin_people import ADMIN_PASSWORD, PASSWORD, MovedClock, People
from console_support import Browser, browser
from sync_support import until

VISIT = "artstore_visit"


@pytest.fixture
async def visitor(people: People) -> AsyncIterator[Browser]:
    async with browser(people.http) as one:
        yield one


async def test_in_by_name_and_password_and_out(visitor: Browser) -> None:
    answer = await visitor.sign_in("admin", ADMIN_PASSWORD)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "admin" in await visitor.page("password")
    stolen = visitor.http.cookies[VISIT]
    assert (await visitor.send("sign-out", form="password")).headers["location"] == "/admin/sign-in"
    visitor.http.cookies.set(VISIT, stolen, path="/admin")
    answer = await visitor.get("password")
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/sign-in?next=/admin/password")


async def test_what_is_wrong_with_a_sign_in_is_not_told(visitor: Browser) -> None:
    texts = set()
    for name, password in (("admin", "wrong"), ("nobody", "wrong"), ("admin", "x" * 5000), ("", "")):
        answer = await visitor.sign_in(name, password)
        assert answer.status_code in (400, 401)
        assert VISIT not in answer.headers.get("set-cookie", "")
        if answer.status_code == 401:
            texts.add(answer.text.replace(f'value="{name}"', "").replace(answer.headers["x-request-id"], ""))
    assert len(texts) == 1


async def test_a_form_counts_only_with_its_token_and_from_our_own_page(visitor: Browser) -> None:
    await visitor.sign_in("admin", ADMIN_PASSWORD)
    token = await visitor.csrf("password")
    fields = {"current_password": ADMIN_PASSWORD, "new_password": PASSWORD, "again": PASSWORD}
    for sent, headers in (
        (fields, {}),
        ({**fields, "csrf": "0" * 64}, {}),
        ({**fields, "csrf": "й"}, {}),
        ({**fields, "csrf": token}, {"Sec-Fetch-Site": "cross-site"}),
        ({**fields, "csrf": token}, {"Sec-Fetch-Site": "same-site"}),
        ({**fields, "csrf": token}, {"Origin": "https://evil.test"}),
        ({**fields, "csrf": token}, {"Origin": "null"}),
    ):
        answer = await visitor.http.post("/admin/password", data=sent, headers=headers)
        assert answer.status_code == 403, (sent, headers)
    answer = await visitor.http.post(
        "/admin/password", data={**fields, "csrf": token}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert answer.status_code == 303


async def test_a_form_of_a_stranger_is_in_the_audit_log(people: People, visitor: Browser) -> None:
    await visitor.sign_in("admin", ADMIN_PASSWORD)
    refused = await visitor.http.post("/admin/password", data={}, headers={"Origin": "https://evil.test"})
    assert refused.status_code == 403
    assert refused.headers["x-request-id"] in refused.text, "what an operator looks for in the logs"
    await until(lambda: people.audit("access.denied"), 5)
    [entry] = await people.audit("access.denied")
    assert (entry["target"], entry["request_id"]) == ("POST /admin/password", refused.headers["x-request-id"])


async def test_the_sign_in_form_too(visitor: Browser) -> None:
    """Or a page could sign somebody in as somebody else, who reads later what was put in."""
    data = {"username": "admin", "password": ADMIN_PASSWORD}
    assert (await visitor.http.post("/admin/sign-in", data=data)).status_code == 403
    await visitor.get("sign-in")
    assert (await visitor.http.post("/admin/sign-in", data=data | {"csrf": "0" * 64})).status_code == 403


async def test_a_cookie_from_before_the_sign_in_is_nobodys(visitor: Browser) -> None:
    visitor.http.cookies.set(VISIT, "chosen-by-a-stranger", path="/admin")
    answer = await visitor.sign_in("admin", ADMIN_PASSWORD)
    assert answer.status_code == 303
    assert "chosen-by-a-stranger" not in answer.headers["set-cookie"]
    visitor.http.cookies.clear()
    visitor.http.cookies.set(VISIT, "chosen-by-a-stranger", path="/admin")
    assert (await visitor.get("password")).status_code == 303


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.test/", "//evil.test/", "/\\evil.test/", "javascript:alert(1)", "/administrator", "\t//evil.test", "/admin\\@evil", "http:/admin/"],
)  # fmt: skip
async def test_after_the_sign_in_nobody_is_sent_elsewhere(visitor: Browser, elsewhere: str) -> None:
    answer = await visitor.sign_in("admin", ADMIN_PASSWORD, next=elsewhere)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/")
    answer = await visitor.get("sign-in", next=elsewhere)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/")


async def test_back_to_the_page_that_was_asked_for(visitor: Browser) -> None:
    asked = await visitor.get("password", a="1")
    assert asked.headers["location"] == "/admin/sign-in?next=/admin/password%3Fa%3D1"
    answer = await visitor.sign_in("admin", ADMIN_PASSWORD, next="/admin/password?a=1")
    assert answer.headers["location"] == "/admin/password?a=1"


async def test_a_visit_that_is_left_alone_ends(visitor: Browser, clock: MovedClock) -> None:
    await visitor.sign_in("admin", ADMIN_PASSWORD)
    for _ in range(4):
        clock.move(minutes=20)
        await visitor.page("password")
    clock.move(minutes=31)
    assert (await visitor.get("password")).status_code == 303


async def test_a_cookie_that_was_copied_opens_nothing_once_the_visit_was_left_alone(
    people: People, visitor: Browser, clock: MovedClock
) -> None:
    """The session behind it lives for a day; by its cookie alone nobody may go on with it elsewhere."""
    await visitor.sign_in("admin", ADMIN_PASSWORD)
    stolen = visitor.http.cookies[VISIT]
    clock.move(minutes=31)
    assert (await visitor.get("password")).status_code == 303
    assert (await people.refresh(stolen)).status_code == 401


async def test_a_cookie_that_is_used_as_a_refresh_token_ends_the_visit(people: People, visitor: Browser) -> None:
    await visitor.sign_in("admin", ADMIN_PASSWORD)
    assert (await people.refresh(visitor.http.cookies[VISIT])).status_code == 401
    assert (await visitor.get("password")).status_code == 303
    [entry] = await people.audit("session.refresh_denied")
    assert entry["details"]["reason"].startswith("a cookie of the console")


async def test_whatever_ends_the_session_ends_the_visit(people: People, visitor: Browser) -> None:
    user = await people.create("reader")
    await visitor.sign_in("reader", PASSWORD)
    assert (await visitor.get("password")).status_code == 200
    await people.user("PATCH", user["id"], status="suspended")
    assert (await visitor.get("password")).status_code == 303


async def test_another_password_keeps_this_visit_and_ends_the_others(people: People, visitor: Browser) -> None:
    async with browser(people.http) as other:
        for one in (visitor, other):
            await one.sign_in("admin", ADMIN_PASSWORD)
        wrong = {"current_password": "wrong", "new_password": PASSWORD, "again": PASSWORD}
        answer = await visitor.send("password", wrong)
        assert answer.status_code == 401
        assert "password is wrong" in answer.text
        right = wrong | {"current_password": ADMIN_PASSWORD}
        assert (await visitor.send("password", right | {"again": "another one"})).status_code == 400
        assert (await visitor.send("password", right)).status_code == 303
        assert "The password is changed." in await visitor.page("password")
        assert "The password is changed." not in await visitor.page("password")
        assert (await other.get("password")).status_code == 303


async def test_a_password_that_somebody_else_chose_is_changed_first(people: People, visitor: Browser) -> None:
    user = await people.create("reader")
    await people.user("POST", user["id"], "/reset-password", password="another long password")
    await visitor.sign_in("reader", "another long password")
    answer = await visitor.get("elements")
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/password")
    assert "set by somebody else" in await visitor.page("password")


async def test_pages_are_kept_by_nobody_and_run_nothing_of_others(visitor: Browser) -> None:
    answer = await visitor.get("sign-in")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src artstore.test/admin/assets/;" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert " style=" not in answer.text
    assert "<script>" not in answer.text
    odd = await visitor.http.get("/admin/sign-in", headers={"Host": "a.test;script-src *"})
    assert "script-src 'none'" in odd.headers["content-security-policy"]


async def test_styles_are_kept_for_ever_under_their_content(visitor: Browser) -> None:
    text = (await visitor.get("sign-in")).text
    path = text.split('rel="stylesheet" href="/admin/', 1)[1].split('"', 1)[0]
    answer = await visitor.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "immutable" in answer.headers["cache-control"]
    assert (await visitor.get("assets/0123456789abcdef/console.css")).status_code == 404
    assert (await visitor.get("assets/0123456789abcdef/..%2Fpages.py")).status_code == 404


async def test_russian_and_english_as_the_browser_asks_and_as_one_chose(visitor: Browser) -> None:
    russian = {"Accept-Language": "ru-RU,ru;q=0.9,en;q=0.8"}
    assert 'lang="ru"' in (await visitor.http.get("/admin/sign-in", headers=russian)).text
    assert 'lang="en"' in (await visitor.http.get("/admin/sign-in", headers={"Accept-Language": "de,fr;q=x"})).text
    chosen = {"language": "ru", "theme": "dark", "next": "/admin/sign-in"}
    assert (await visitor.http.post("/admin/preferences", data=chosen)).headers["location"] == "/admin/sign-in"
    text = await visitor.page("sign-in")
    assert '<html lang="ru" data-theme="dark">' in text
    await visitor.http.post("/admin/preferences", data={"language": "xx", "theme": "<b>"})
    assert '<html lang="ru" data-theme="dark">' in await visitor.page("sign-in")


async def test_what_is_not_there_is_a_page_too(visitor: Browser) -> None:
    answer = await visitor.http.get("/admin")
    assert (answer.status_code, answer.headers["location"]) == (308, "/admin/")
    answer = await visitor.get("nothing/here")
    assert answer.status_code == 404
    assert "There is no such page" in answer.text
    assert (await visitor.http.put("/admin/sign-in")).status_code == 405
