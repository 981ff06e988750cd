"""Service accounts in the console: made, changed, ended; a secret is shown once (requirements C4, C5)."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import httpx
import pytest
from admin_people import ADMIN_PASSWORD, MovedClock, People
from admin_service.console.sizes import exact_size, typed_size
from artstore_core.errors import ValidationFailed
from console_support import Browser

API = "/api/v1/service-accounts"
HOSTILE = "<img src=x onerror=alert(1)>\"'&{{7*7}}"
NEW: dict[str, Any] = {"name": "Сканер №2", "kind": "client", "scopes": ["files:read", "files:write"], "expires_in_days": "30"}  # fmt: skip


async def sent(visitor: Browser, path: str, **fields: Any) -> httpx.Response:
    """A form with several boxes of one name. The token is the visit's, whatever page it stands on."""
    return await visitor.http.post(f"/admin/{path}", data={"csrf": await visitor.csrf("password"), **fields})


async def made(visitor: Browser, **fields: Any) -> tuple[str, str, str]:
    """Id, client id and secret of a new account."""
    answer = await sent(visitor, "accounts/new", **{**NEW, **fields})
    assert answer.status_code == 200, answer.text
    return shown_secret(answer)


def shown_secret(answer: httpx.Response) -> tuple[str, str, str]:
    account_id = re.search(r'data-shown-once="/admin/accounts/([0-9a-f-]{36})"', answer.text)
    client_id = re.search(r'<pre id="client-id"[^>]*>([^<]+)</pre>', answer.text)
    secret = re.search(r'<pre id="secret"[^>]*>([^<]+)</pre>', answer.text)
    assert account_id
    assert client_id
    assert secret
    return account_id[1], client_id[1], secret[1]


async def token(people: People, client_id: str, secret: str) -> int:
    form = {"grant_type": "client_credentials"}
    return (await people.http.post("/api/v1/auth/token", data=form, auth=(client_id, secret))).status_code


async def test_the_list_and_its_filters(visitor: Browser) -> None:
    text = await visitor.page("accounts")
    assert "operator" in text
    assert "sa_ingester_1" in text
    services = await visitor.page("accounts", kind="service")
    assert "sa_ingester_1" in services
    assert "sa_operator_1" not in services
    assert "Choose other filters" in await visitor.page("accounts", status="suspended")
    assert (await visitor.get("accounts", status="odd")).status_code == 400


async def test_a_secret_is_shown_once_and_works(visitor: Browser, people: People) -> None:
    answer = await sent(visitor, "accounts/new", **NEW)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    account_id, client_id, secret = shown_secret(answer)
    assert await token(people, client_id, secret) == 200
    for path in ("accounts", f"accounts/{account_id}", f"accounts/{account_id}/edit", f"accounts/{account_id}/rotate"):
        text = await visitor.page(path)
        assert "Сканер №2" in text
        assert secret not in text


async def test_what_is_wrong_stands_at_its_field(visitor: Browser) -> None:
    for fields, field, reason in (
        ({"name": ""}, "name", "at least 1 character"),
        ({"expires_in_days": "9999"}, "expires_in_days", "less than or equal to 3650"),
        ({"expires_in_days": "soon"}, "expires_in_days", "must be a whole number"),
        ({"quota_bytes": "much"}, "quota_bytes", "must be a size"),
        ({"quota_files": "-1"}, "quota_files", "greater than or equal to 0"),
        ({"scopes": []}, "scopes", "choose at least one"),
    ):
        answer = await sent(visitor, "accounts/new", **{**NEW, **fields})
        assert answer.status_code == 400, fields
        assert re.search(rf'id="{field}-hint" class="reason">[^<]*{reason}', answer.text), (fields, answer.text)
        if "name" not in fields:
            assert "Сканер №2" in answer.text
        if "scopes" not in fields:
            assert answer.text.count(" checked") == 2


async def test_change_scopes_and_quota(visitor: Browser, people: People) -> None:
    account_id, _, _ = await made(visitor, quota_bytes="1,5 ГиБ", quota_files="10")
    path = f"accounts/{account_id}/edit"
    assert 'value="1536 MiB"' in await visitor.page(path)
    answer = await sent(visitor, path, name="Other", scopes=["files:read"], quota_bytes="", quota_files="7")
    assert answer.headers["location"] == f"/admin/accounts/{account_id}"
    assert "The service account is changed." in await visitor.page(f"accounts/{account_id}")
    account = (await people.http.get(f"{API}/{account_id}", headers=await people.bearer())).json()
    assert (account["name"], account["scopes"]) == ("Other", ["files:read"])
    assert (account["quota_bytes"], account["quota_files"]) == (None, 7)


async def test_rotation_with_and_without_overlap(visitor: Browser, people: People) -> None:
    account_id, client_id, first = await made(visitor)
    path = f"accounts/{account_id}/rotate"
    await visitor.page(path)
    answer = await sent(visitor, path, overlap_seconds="3600", expires_in_days="0")
    _, _, second = shown_secret(answer)
    assert [await token(people, client_id, secret) for secret in (first, second)] == [200, 200]
    text = await visitor.page(f"accounts/{account_id}")
    assert "Works until" in text
    assert "Never expires" in text
    _, _, third = shown_secret(await sent(visitor, path, overlap_seconds="0", expires_in_days="90"))
    assert [await token(people, client_id, secret) for secret in (first, second, third)] == [401, 401, 200]
    assert "Does not work" in await visitor.page(f"accounts/{account_id}")
    assert (await sent(visitor, path, overlap_seconds="0", expires_in_days="x")).status_code == 400


async def test_suspend_resume_and_delete_ask_first(visitor: Browser, people: People) -> None:
    account_id, client_id, secret = await made(visitor)
    here = f"accounts/{account_id}"
    assert "Suspend Сканер №2?" in await visitor.page(f"{here}/suspend")
    assert await token(people, client_id, secret) == 200
    assert (await visitor.send(f"{here}/suspend")).headers["location"] == f"/admin/{here}"
    assert await token(people, client_id, secret) == 401
    assert (await visitor.send(f"{here}/resume", form=here)).status_code == 303
    assert await token(people, client_id, secret) == 200
    assert "cannot be undone" in await visitor.page(f"{here}/delete")
    assert (await visitor.send(f"{here}/delete")).headers["location"] == "/admin/accounts"
    assert "The service account is deleted." in await visitor.page("accounts")
    assert (await visitor.get(here)).status_code == 404


async def test_a_secret_that_expires_is_said_before(visitor: Browser, clock: MovedClock) -> None:
    account_id, _, _ = await made(visitor, expires_in_days="15")
    assert "Expires soon" not in await visitor.page(f"accounts/{account_id}")
    clock.move(days=2)
    await visitor.sign_in("admin", ADMIN_PASSWORD)
    assert "The secret expires soon." in await visitor.page(f"accounts/{account_id}")
    clock.move(days=14)
    await visitor.sign_in("admin", ADMIN_PASSWORD)
    assert "The secret has expired" in await visitor.page(f"accounts/{account_id}")
    assert "Expired" in await visitor.page("accounts")


async def test_a_reader_sees_all_and_changes_nothing(visitor: Browser, reader: Browser, people: People) -> None:
    account_id, client_id, secret = await made(visitor)
    here = f"accounts/{account_id}"
    for path in ("accounts", here):
        text = await reader.page(path)
        assert "Сканер №2" in text
        assert f"{here}/delete" not in text
        assert "accounts/new" not in text
    for path, fields in (
        ("accounts/new", NEW),
        (f"{here}/edit", {"name": "x", "scopes": ["files:read"]}),
        (f"{here}/rotate", {"overlap_seconds": "0", "expires_in_days": "1"}),
        (f"{here}/suspend", {}),
        (f"{here}/resume", {}),
        (f"{here}/delete", {}),
    ):
        answer = await sent(reader, path, **fields)
        assert answer.status_code == 403, path
        assert "This needs the scope admin:write" in answer.text
    assert await token(people, client_id, secret) == 200


async def test_a_hostile_name_is_only_a_name(visitor: Browser) -> None:
    account_id, _, _ = await made(visitor, name=HOSTILE)
    here = f"accounts/{account_id}"
    for path in ("accounts", here, *(f"{here}/{page}" for page in ("edit", "rotate", "suspend", "delete"))):
        answer = await visitor.get(path)
        assert "<img" not in answer.text, path
        assert "{{7*7}}" in answer.text, path


async def test_what_is_not_there(visitor: Browser) -> None:
    assert (await visitor.get(f"accounts/{uuid4()}")).status_code == 404
    assert (await visitor.get("accounts/nobody")).status_code == 400


async def test_in_russian(visitor: Browser) -> None:
    visitor.http.cookies.set("artstore_language", "ru", path="/admin")
    assert "Бессрочно" in await visitor.page("accounts", kind="client")
    answer = await sent(visitor, "accounts/new", **{**NEW, "name": ""})
    assert "заполните это поле" in answer.text


@pytest.mark.parametrize(
    ("typed", "count"),
    [(None, None), ("0", 0), ("500", 500), ("10 GiB", 10 * 2**30), ("1,5 ГиБ", 3 * 2**29), ("2t", 2**41), ("1\u00a0024 КБ", 2**20), ("7b", 7), ("3 Б", 3)],
)  # fmt: skip
def test_a_size_as_people_type_it(typed: str | None, count: int | None) -> None:
    assert typed_size(typed, "quota_bytes") == count
    assert typed_size(exact_size(count) or None, "quota_bytes") == count


@pytest.mark.parametrize("typed", ["", "-1", "GiB", "1.5", "1e9", "10 XiB", "0.0001 KiB", "٣", "9" * 30])
def test_what_is_no_size(typed: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        typed_size(typed, "quota_bytes")
    assert list(refused.value.details) == ["quota_bytes"]
