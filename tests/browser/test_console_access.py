"""Accounts, users, keys, the audit log and previews, as an admin works with them (requirement C4)."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from console_people import People
from console_visitor import Visitor, Visitors
from world import World, within

pytestmark = pytest.mark.e2e
NAME = "Сканер цеха № 7"


@pytest.fixture
def admin(visitors: Visitors, people: People) -> Iterator[Visitor]:
    with visitors.window(people.admin) as visitor:
        visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
        yield visitor
        assert visitor.heard.taken() == []


def token_status(world: World, client_id: str, secret: str) -> int:
    url = f"{world.gateway}/api/v1/auth/token"
    return world.http.post(url, data={"grant_type": "client_credentials"}, auth=(client_id, secret)).status_code


def shown_secret(visitor: Visitor) -> str:
    """By the button that copies it."""
    button = visitor.page.locator("[data-copies]").last
    before = button.inner_text()
    button.click()
    visitor.page.wait_for_function("([one, was]) => one.innerText !== was", arg=[button.element_handle(), before])
    return str(visitor.page.evaluate("navigator.clipboard.readText()"))


def test_the_life_of_a_service_account(admin: Visitor, world: World, people: People) -> None:
    admin.open("accounts")
    admin.follow("accounts/new")
    admin.send("accounts/new", name=NAME, scopes="files:write")
    first = shown_secret(admin)
    (account,) = [one for one in people.got("service-accounts?limit=100")["items"] if one["name"] == NAME]
    assert set(account["scopes"]) >= {"files:write"}
    path, client_id = f"accounts/{account['id']}", account["client_id"]
    assert token_status(world, client_id, first) == 200
    admin.open(path)
    admin.page.go_back()
    assert first not in admin.page.content(), "the secret is shown once more on the way back"

    admin.open(path)
    admin.follow("/rotate")
    admin.send("/rotate", overlap_seconds="3600")
    second = shown_secret(admin)
    assert [token_status(world, client_id, one) for one in (first, second)] == [200, 200]

    admin.open(path)
    admin.follow("/edit")
    admin.send("/edit", name=f"{NAME} (новый)")
    assert f"{NAME} (новый)" in admin.text
    admin.follow("/suspend")
    admin.send("/suspend")
    assert token_status(world, client_id, second) == 401
    admin.send("/resume")
    assert token_status(world, client_id, second) == 200
    admin.follow("/delete")
    admin.send("/delete")
    assert admin.path == "accounts"
    assert client_id not in admin.text
    assert token_status(world, client_id, second) == 401


def test_what_is_wrong_with_an_account_is_said_at_its_field(admin: Visitor) -> None:
    admin.heard.expected.add(400)
    admin.open("accounts/new")
    admin.page.locator("input[name=name]").evaluate("(one) => one.removeAttribute('required')")
    admin.send("accounts/new", name="   ")
    field = admin.page.locator("input[name=name]")
    assert field.get_attribute("aria-invalid") == "true"
    hint = admin.page.locator(f"#{field.get_attribute('aria-describedby')}")
    assert hint.is_visible()


def test_the_life_of_a_user(admin: Visitor, visitors: Visitors, people: People, world: World) -> None:
    name, password = "новая.смена", "a long enough password"
    admin.open("users")
    admin.follow("users/new")
    admin.send("users/new", username=name, role="readonly", **_passwords(admin, password))
    user = admin.path.removeprefix("users/")
    for _ in range(5):
        login = {"username": name, "password": "wrong"}
        world.http.post(f"{world.gateway}/api/v1/auth/login", json=login)
    admin.open(f"users/{user}")
    admin.send("/unlock")
    visitors.passwords[name] = password
    with visitors.window(name) as other:
        other.open("users")
        assert other.page.locator("main form[method=post]").count() == 0
        admin.follow("/suspend")
        admin.send("/suspend")
        other.open("users")
        assert other.path.startswith("sign-in")
    admin.send("/resume")
    admin.follow("/password")
    admin.send("/password", **_passwords(admin, "another long password"))
    assert people.got(f"admin-users/{user}")["must_change_password"] is True
    admin.follow("/edit")
    admin.send("/edit", role="admin")
    assert people.got(f"admin-users/{user}")["role"] == "admin"
    admin.follow("/delete")
    admin.send("/delete")
    assert admin.path == "users"
    assert name not in admin.text


def _passwords(visitor: Visitor, password: str) -> dict[str, str | bool]:
    """Every field for one."""
    names = visitor.page.locator("main input[type=password]").evaluate_all("(all) => all.map((one) => one.name)")
    return dict.fromkeys(names, password)


def test_the_last_admin_stays_one(admin: Visitor, people: People) -> None:
    admin.heard.expected.add(409)
    (own,) = [one for one in people.got("admin-users?limit=100")["items"] if one["role"] == "admin"]
    admin.open(f"users/{own['id']}/delete")
    admin.send("/delete")
    assert admin.page.get_by_role("alert").is_visible()
    assert "CONFLICT" in admin.text


def test_another_signing_key(admin: Visitor, people: People) -> None:
    before = len(people.got("jwt-keys")["items"])
    admin.open("keys")
    admin.follow("keys/rotate")
    admin.send("keys/rotate")
    assert admin.path == "keys"
    assert admin.page.locator("main tbody tr").count() == before + 1


def test_the_audit_log_found_and_taken_along(admin: Visitor, people: People, tmp_path: Path) -> None:
    account = people.account("=HYPERLINK(1)")
    people.deleted(f"service-accounts/{account['id']}")
    admin.open("audit?outcome=done")
    assert admin.page.locator("main tbody tr").count() > 0
    for kind in ("csv", "json"):
        with admin.page.expect_download() as coming:
            admin.page.locator(f"main a[href*='audit/export.{kind}']").first.click()
        coming.value.save_as(tmp_path / kind)
    rows = list(csv.reader((tmp_path / "csv").read_text(encoding="utf-8-sig").splitlines()))
    assert len(rows) > 1
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "@"))]
    assert json.loads((tmp_path / "json").read_text())


def test_previews_that_failed_are_made_once_more(admin: Visitor, world: World, people: People) -> None:
    file = world.uploaded(b"%PDF-1.7\nnothing of a document", "повреждённый.pdf")
    job = people.made("render-jobs", {"file_id": file["file_id"]})
    path = f"render-jobs/{job['id']}"
    within(60, lambda: people.got(path)["state"] == "failed", "the job fails")
    admin.open("render-jobs?state=failed")
    admin.follow(path)
    reason = str(people.got(path)["reason"])
    assert reason[:20] in admin.text
    admin.send("/retry")
    assert "render-jobs" in admin.path
