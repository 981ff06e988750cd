"""Users: their life, and the last admin (I7)."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from admin_people import ADMIN_PASSWORD, PASSWORD, USERS, People, bearer_of

NEW = "a password nobody had before"


async def test_new_user_is_shown_without_any_hash(people: People) -> None:
    created = await people.create("Иванов", role="admin", quota_bytes=5)
    shown = await people.user("GET", created["id"])
    assert shown.json() == created
    assert (created["username"], created["role"], created["status"]) == ("Иванов", "admin", "active")
    assert (created["quota_bytes"], created["quota_files"], created["used_bytes"]) == (5, None, 0)
    assert (created["must_change_password"], created["locked_until"], created["last_login_at"]) == (False, None, None)
    listed = await people.http.get(USERS, headers=await people.bearer())
    for text in (shown.text, listed.text):
        assert "argon2" not in text
        assert "hash" not in text
    assert (await people.login("Иванов", PASSWORD)).status_code == 200
    assert (await people.user("GET", created["id"])).json()["last_login_at"] is not None


async def test_new_user_has_a_place(people: People) -> None:
    body = {"username": "reader", "password": PASSWORD, "role": "readonly"}
    answer = await people.http.post(USERS, json=body, headers=await people.bearer())
    assert answer.headers["location"] == f"{USERS}/{answer.json()['id']}"


async def test_users_come_in_pages(people: People) -> None:
    await people.create("reader")
    page = (await people.http.get(f"{USERS}?limit=1&offset=1", headers=await people.bearer())).json()
    assert (page["total"], page["has_more"], [one["username"] for one in page["items"]]) == (2, False, ["reader"])


@pytest.mark.parametrize("username", ["admin", "Admin", "ａｄｍｉｎ"])
async def test_name_that_people_take_for_another_is_refused(people: People, username: str) -> None:
    body = {"username": username, "password": PASSWORD, "role": "readonly"}
    answer = await people.http.post(USERS, json=body, headers=await people.bearer())
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")


async def test_names_whose_failures_would_be_counted_together_are_refused(people: People) -> None:
    """The one's sign-in would forget the failures of the other."""
    await people.create("straße")
    body = {"username": "STRASSE", "password": PASSWORD, "role": "readonly"}
    assert (await people.http.post(USERS, json=body, headers=await people.bearer())).status_code == 409


@pytest.mark.parametrize(
    "change",
    [
        {"username": ""},
        {"username": "a b"},
        {"username": "a\x00b"},
        {"username": "a\u202eb"},
        {"username": "x" * 101},
        {"password": "short"},
        {"password": "x" * 1025},
        {"password": "reader-reader", "username": "Reader-Reader"},
        {"role": "root"},
        {"quota_bytes": -1},
        {"quota_files": 2**63},
        {"color": "red"},
    ],
)
async def test_nonsense_is_refused_field_by_field(people: People, change: dict[str, Any]) -> None:
    body = {"username": "reader", "password": PASSWORD, "role": "readonly", **change}
    answer = await people.http.post(USERS, json=body, headers=await people.bearer())
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert answer.json()["error"]["details"].keys() == {next(iter(change))}
    assert "short" not in answer.text.replace("too short", "")


async def test_change_replaces_what_is_given_and_null_clears_a_quota(people: People) -> None:
    user = await people.create("reader", quota_bytes=5, quota_files=6)
    changed = (await people.user("PATCH", user["id"], role="admin", quota_bytes=None)).json()
    assert (changed["role"], changed["quota_bytes"], changed["quota_files"]) == ("admin", None, 6)
    for field in ("role", "status"):
        nothing: dict[str, Any] = {field: None}
        assert (await people.user("PATCH", user["id"], **nothing)).status_code == 400
    [entry] = await people.audit("admin_user.changed")
    assert entry["details"] == {"changes": {"role": "admin", "quota_bytes": None}}
    assert (entry["actor"], entry["target"]) == ("sa:sa_operator_1", "reader")


async def test_suspended_user_has_no_session_no_token_and_no_sign_in(people: People) -> None:
    user = await people.create("reader")
    tokens = await people.signed_in("reader", PASSWORD)
    assert (await people.user("PATCH", user["id"], status="suspended")).json()["status"] == "suspended"
    assert (await people.me(tokens)).status_code == 401
    assert (await people.refresh(tokens["refresh_token"])).status_code == 401
    suspended, wrong = await people.login("reader", PASSWORD), await people.login("reader", "wrong wrong wrong")
    assert _plain(suspended) == _plain(wrong)
    await people.user("PATCH", user["id"], status="active")
    assert (await people.refresh(tokens["refresh_token"])).status_code == 401, "what was ended stays ended"
    assert (await people.me(tokens)).status_code == 401
    assert (await people.me(await people.signed_in("reader", PASSWORD))).status_code == 200


async def test_demoted_admin_can_change_nothing_with_an_old_token(people: People) -> None:
    user = await people.create("second", role="admin")
    tokens = await people.signed_in("second", PASSWORD)
    await people.user("PATCH", user["id"], role="readonly")
    assert (await people.me(tokens)).status_code == 401
    renewed = (await people.refresh(tokens["refresh_token"])).json()
    assert (await people.me(renewed)).json()["scopes"] == ["admin:read", "files:read", "storage:read"]


async def test_deleted_user_is_gone_and_whoever_gets_the_name_is_somebody_else(people: People) -> None:
    user = await people.create("reader")
    tokens = await people.signed_in("reader", PASSWORD)
    assert (await people.user("DELETE", user["id"])).status_code == 204
    assert (await people.user("DELETE", user["id"])).status_code == 404
    assert (await people.user("GET", user["id"])).status_code == 404
    assert (await people.me(tokens)).status_code == 401
    assert (await people.login("reader", PASSWORD)).status_code == 401


async def test_reset_password_forces_another_at_the_next_sign_in(people: People) -> None:
    user = await people.create("second", role="admin")
    before = await people.signed_in("second", PASSWORD)
    assert (await people.user("POST", user["id"], "/reset-password", password=NEW)).status_code == 204
    assert (await people.me(before)).status_code == 401
    assert (await people.refresh(before["refresh_token"])).status_code == 401
    assert (await people.login("second", PASSWORD)).status_code == 401
    forced = await people.signed_in("second", NEW)
    assert forced["password_change_required"] is True
    me = (await people.me(forced)).json()
    assert (me["scopes"], me["password_change_required"]) == ([], True)
    assert (await people.http.get(USERS, headers=bearer_of(forced))).status_code == 403
    again = (await people.refresh(forced["refresh_token"])).json()
    assert (await people.me(again)).json()["scopes"] == [], "a refresh is no way around"
    assert (await people.change_password(again, NEW, "the very last password")).status_code == 204
    renewed = (await people.refresh(again["refresh_token"])).json()
    assert "password_change_required" not in renewed
    assert (await people.http.get(USERS, headers=bearer_of(renewed))).status_code == 200


async def test_unlock_lets_a_locked_user_in(people: People) -> None:
    user = await people.create("reader")
    for _ in range(5):
        assert (await people.login("reader", "wrong wrong wrong")).status_code == 401
    assert (await people.login("reader", PASSWORD)).status_code == 401
    assert (await people.user("GET", user["id"])).json()["locked_until"] is not None
    assert (await people.user("POST", user["id"], "/unlock")).status_code == 204
    assert (await people.user("GET", user["id"])).json()["locked_until"] is None
    assert (await people.login("reader", PASSWORD)).status_code == 200
    assert len(await people.audit("admin_user.unlocked")) == 1


@pytest.mark.parametrize(
    ("method", "body"), [("PATCH", {"role": "readonly"}), ("PATCH", {"status": "suspended"}), ("DELETE", {})]
)
async def test_last_active_admin_stays(people: People, method: str, body: dict[str, Any]) -> None:
    suspended = await people.create("second", role="admin")
    await people.user("PATCH", suspended["id"], status="suspended")
    await people.create("reader")
    answer = await people.user(method, await people.id_of("admin"), **body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")
    assert (await people.login("admin", ADMIN_PASSWORD)).status_code == 200
    assert (await people.user("PATCH", suspended["id"], role="readonly")).status_code == 200
    assert (await people.user("PATCH", await people.id_of("admin"), quota_files=1)).status_code == 200


async def test_two_admins_who_are_taken_down_at_once_leave_one(replicas: tuple[People, People]) -> None:
    one, other = replicas
    first = await one.id_of("admin")
    second = (await one.create("second", role="admin"))["id"]
    ways: list[tuple[str, dict[str, Any]]] = [
        ("PATCH", {"role": "readonly"}),
        ("PATCH", {"status": "suspended"}),
        ("DELETE", {}),
    ]
    for method, body in ways:
        answers = await asyncio.gather(one.user(method, first, **body), other.user(method, second, **body))
        assert sorted(answer.status_code for answer in answers) in ([200, 409], [204, 409])
        if method == "PATCH":
            lost = first if answers[0].status_code == 200 else second
            await one.user("PATCH", lost, role="admin", status="active")


async def test_unknown_user_is_not_found(people: People) -> None:
    for method, rest, body in [
        ("GET", "", {}),
        ("PATCH", "", {"role": "admin"}),
        ("DELETE", "", {}),
        ("POST", "/reset-password", {"password": NEW}),
        ("POST", "/unlock", {}),
    ]:
        answer = await people.user(method, str(uuid4()), rest, **body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


async def test_every_change_is_in_the_audit_log_and_holds_no_secret(people: People) -> None:
    user = await people.create("reader")
    await people.user("POST", user["id"], "/reset-password", password=NEW)
    await people.user("DELETE", user["id"])
    for action in ("admin_user.created", "admin_user.password_reset", "admin_user.deleted"):
        [entry] = [one for one in await people.audit(action) if one["actor"] != "system"]
        assert (entry["actor"], entry["target"], entry["outcome"]) == ("sa:sa_operator_1", "reader", "done")
        assert NEW not in str(entry)
        assert "argon2" not in str(entry)


def _plain(answer: Any) -> tuple[int, dict[str, Any]]:
    error = dict(answer.json()["error"])
    error.pop("request_id")
    return answer.status_code, error
