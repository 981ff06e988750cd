"""Users and signing keys in the console (requirements C4, C5)."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import httpx
from admin_people import PASSWORD, People
from console_support import Browser

HOSTILE = "<img/src=x/onerror=alert(1)>\"'&{{7*7}}"
NEW = {"username": "оператор", "role": "readonly", "password": PASSWORD, "again": PASSWORD}
OTHER = "another long password"


async def sent(visitor: Browser, path: str, **fields: Any) -> httpx.Response:
    """The token is the visit's, whatever page it stands on."""
    return await visitor.send(path, fields, form="password")


async def test_a_new_user_can_sign_in(visitor: Browser, people: People) -> None:
    answer = await visitor.send("users/new", NEW | {"quota_bytes": "10 GiB", "quota_files": "5"})
    assert answer.status_code == 303
    here = answer.headers["location"].removeprefix("/admin/")
    text = await visitor.page(here)
    assert "The user is created." in text
    assert "10 GiB" in text
    assert "оператор" in await visitor.page("users")
    assert (await people.login("оператор", PASSWORD)).status_code == 200


async def test_what_is_wrong_stands_at_its_field(visitor: Browser, people: People) -> None:
    await people.create("taken")
    for fields, field, reason, status in (
        ({"username": "two words"}, "username", "without spaces", 400),
        ({"username": "taken"}, "username", "is taken", 409),
        ({"password": "short", "again": "short"}, "password", "at least 12 characters", 400),
        ({"again": "something else"}, "again", "is another password", 400),
        ({"quota_bytes": "much"}, "quota_bytes", "must be a size", 400),
        ({"quota_files": "some"}, "quota_files", "must be a whole number", 400),
    ):
        answer = await sent(visitor, "users/new", **NEW | fields)
        assert answer.status_code == status, fields
        assert re.search(rf'id="{field}-hint" class="reason">[^<]*{reason}', answer.text), fields
        assert PASSWORD not in answer.text


async def test_change_the_role_and_the_quota(visitor: Browser, people: People) -> None:
    user = await people.create("operator", quota_bytes=2**30)
    path = f"users/{user['id']}/edit"
    assert 'value="1 GiB"' in await visitor.page(path)
    assert (await visitor.send(path, {"role": "admin", "quota_bytes": ""})).status_code == 303
    changed = (await people.user("GET", user["id"])).json()
    assert (changed["role"], changed["quota_bytes"]) == ("admin", None)
    assert (await visitor.send(path, {"role": "emperor"})).status_code == 400


async def test_suspend_and_resume(visitor: Browser, reader: Browser, people: People) -> None:
    here = f"users/{await people.id_of('reader')}"
    assert "Suspend reader?" in await visitor.page(f"{here}/suspend")
    assert (await visitor.send(f"{here}/suspend")).headers["location"] == f"/admin/{here}"
    assert (await reader.get("users")).headers["location"].startswith("/admin/sign-in")
    assert "Suspended" in await visitor.page(here)
    assert (await visitor.send(f"{here}/resume", form=here)).status_code == 303
    assert (await reader.sign_in("reader", PASSWORD)).status_code == 303


async def test_a_lock_is_shown_and_lifted(visitor: Browser, people: People) -> None:
    here = f"users/{(await people.create('operator'))['id']}"
    for _ in range(5):
        await people.login("operator", "wrong wrong wrong")
    assert "Locked" in await visitor.page("users")
    assert "Too many failed sign-ins" in await visitor.page(here)
    assert (await visitor.send(f"{here}/unlock", form=here)).status_code == 303
    text = await visitor.page(here)
    assert "The user may sign in again." in text
    assert "Too many failed sign-ins" not in text
    assert (await people.login("operator", PASSWORD)).status_code == 200


async def test_a_password_that_was_reset_has_to_be_changed(visitor: Browser, reader: Browser, people: People) -> None:
    here = f"users/{await people.id_of('reader')}"
    wrong = await visitor.send(f"{here}/password", {"password": OTHER, "again": PASSWORD})
    assert wrong.status_code == 400
    assert "is another password" in wrong.text
    assert (await visitor.send(f"{here}/password", {"password": OTHER, "again": OTHER})).status_code == 303
    assert "Has to change the password" in await visitor.page(here)
    assert (await reader.get("users")).status_code == 303
    await reader.sign_in("reader", OTHER)
    assert (await reader.get("users")).headers["location"] == "/admin/password"


async def test_the_last_admin_stays(visitor: Browser, people: People) -> None:
    here = f"users/{await people.id_of('admin')}"
    assert "This is you" in await visitor.page(f"{here}/delete")
    assert "This is you" in await visitor.page(f"{here}/suspend")
    for path, fields in ((f"{here}/delete", {}), (f"{here}/suspend", {}), (f"{here}/edit", {"role": "readonly"})):
        answer = await sent(visitor, path, **fields)
        assert answer.status_code == 409, path
        assert "The last active admin cannot be removed" in answer.text
    user = await people.create("other", role="admin")
    assert (await visitor.send(f"users/{user['id']}/delete")).headers["location"] == "/admin/users"
    assert "other" not in await visitor.page("users")


async def test_a_reader_sees_all_and_changes_nothing(visitor: Browser, reader: Browser, people: People) -> None:
    here = f"users/{(await people.create('operator'))['id']}"
    for path in ("users", here, "keys"):
        text = await reader.page(path)
        assert "<button" in text
        assert not re.search(r'href="/admin/(users|keys)/\S*(new|edit|delete|suspend|password|rotate|replace)"', text)
    for path, fields in (
        ("users/new", NEW),
        (f"{here}/edit", {"role": "admin"}),
        (f"{here}/suspend", {}),
        (f"{here}/resume", {}),
        (f"{here}/unlock", {}),
        (f"{here}/password", {"password": OTHER, "again": OTHER}),
        (f"{here}/delete", {}),
        ("keys/rotate", {}),
        ("keys/replace", {}),
    ):
        answer = await sent(reader, path, **fields)
        assert answer.status_code == 403, path
        assert "This needs the scope admin:write" in answer.text
    assert "operator" in await visitor.page(here)


async def test_a_hostile_name_is_only_a_name(visitor: Browser, people: People) -> None:
    here = f"users/{(await people.create(HOSTILE))['id']}"
    for path in ("users", here, *(f"{here}/{page}" for page in ("edit", "suspend", "password", "delete"))):
        answer = await visitor.get(path)
        assert "<img" not in answer.text, path
        assert "{{7*7}}" in answer.text, path
    assert (await visitor.get(f"users/{uuid4()}")).status_code == 404


async def test_keys_follow_one_another(visitor: Browser) -> None:
    assert (await visitor.page("keys")).count("Signs<") == 1
    assert "No request fails" in await visitor.page("keys/rotate")
    assert (await visitor.send("keys/rotate")).headers["location"] == "/admin/keys"
    text = await visitor.page("keys")
    assert "A new key is published." in text
    assert "Signs next" in text
    assert "will be:" in text


async def test_keys_that_leaked_are_replaced_and_the_visit_goes_on(visitor: Browser) -> None:
    assert "cannot be undone" in await visitor.page("keys/replace")
    assert (await visitor.send("keys/replace")).headers["location"] == "/admin/keys"
    text = await visitor.page("keys")
    assert "every other one is withdrawn" in text
    assert text.count(">Withdrawn</span>") == 1
