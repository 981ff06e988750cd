"""Signing keys by API and by command."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys

import pytest
from admin_service.config import Settings
from admin_service.identity.keys import KeyVault
from admin_support import KEY, Admin

PATH = "/api/v1/jwt-keys"


async def test_list_says_how_keys_stand_and_nothing_private(admin: Admin) -> None:
    first = await admin.http.get(PATH, headers=await admin.bearer())
    assert first.status_code == 200
    body = first.json()
    assert (body["total"], body["limit"], body["offset"], body["has_more"]) == (1, 100, 0, False)
    (key,) = body["items"]
    assert set(key) == {"kid", "status", "created_at", "active_from", "retires_at", "withdrawn_at"}
    assert (key["status"], key["retires_at"], key["withdrawn_at"]) == ("active", None, None)
    published = (await admin.http.get("/.well-known/jwks.json")).json()["keys"]
    assert [one["kid"] for one in published] == [key["kid"]]


async def test_rotation_publishes_the_next_key_once(admin: Admin) -> None:
    headers = await admin.bearer()
    answer = await admin.http.post(f"{PATH}/rotate", headers=headers)
    again = await admin.http.post(f"{PATH}/rotate", headers=headers, json={"immediate": False})
    assert (answer.status_code, answer.json()["status"]) == (202, "next")
    assert (again.status_code, again.json()) == (202, answer.json())
    listed = (await admin.http.get(PATH, headers=headers)).json()["items"]
    assert [key["status"] for key in listed] == ["next", "active"]
    assert listed[1]["retires_at"] > listed[0]["active_from"]
    published = (await admin.http.get("/.well-known/jwks.json")).json()["keys"]
    assert {one["kid"] for one in published} == {key["kid"] for key in listed}
    assert {field for one in published for field in one} == {"kid", "use", "alg", "kty", "n", "e"}
    # It does not sign yet: the caller's new token is still the old key's.
    assert json.loads(base64.b64decode((await admin.token()).split(".")[0] + "=="))["kid"] == listed[1]["kid"]


async def test_leaked_key_is_gone_at_once_and_so_are_its_tokens(admin: Admin) -> None:
    before = await admin.bearer()
    answer = await admin.http.post(f"{PATH}/rotate", headers=before, json={"immediate": True})
    assert (answer.status_code, answer.json()["status"]) == (200, "active")
    refused = await admin.http.get(PATH, headers=before)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "UNAUTHORIZED")
    published = (await admin.http.get("/.well-known/jwks.json")).json()["keys"]
    assert [one["kid"] for one in published] == [answer.json()["kid"]]
    listed = (await admin.http.get(PATH, headers=await admin.bearer())).json()["items"]
    assert [key["status"] for key in listed] == ["active", "withdrawn"]
    assert listed[1]["withdrawn_at"]


@pytest.mark.parametrize("body", [{"immediate": "perhaps"}, {"immediate": None}, {"other": 1}, []])
async def test_wrong_body_rotates_nothing(admin: Admin, body: object) -> None:
    headers = await admin.bearer()
    answer = await admin.http.post(f"{PATH}/rotate", headers=headers, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert (await admin.http.get(PATH, headers=headers)).json()["total"] == 1


@pytest.mark.parametrize(("method", "path"), [("GET", PATH), ("POST", f"{PATH}/rotate")])
async def test_rights(admin: Admin, method: str, path: str) -> None:
    assert (await admin.http.request(method, path)).status_code == 401
    narrow = await admin.bearer(scope="files:read files:write storage:read storage:write")
    assert (await admin.http.request(method, path, headers=narrow)).status_code == 403
    reader = await admin.bearer(scope="admin:read")
    assert (await admin.http.request(method, path, headers=reader)).status_code == (200 if method == "GET" else 403)


async def test_pages(admin: Admin) -> None:
    headers = await admin.bearer()
    await admin.http.post(f"{PATH}/rotate", headers=headers)
    page = (await admin.http.get(PATH, headers=headers, params={"limit": 1})).json()
    assert (len(page["items"]), page["total"], page["has_more"]) == (1, 2, True)
    last = (await admin.http.get(PATH, headers=headers, params={"limit": 1, "offset": 1})).json()
    assert (last["items"][0]["status"], last["has_more"]) == ("active", False)


async def test_figures(admin: Admin) -> None:
    await admin.http.post(f"{PATH}/rotate", headers=await admin.bearer())
    lines = (await admin.http.get("/metrics")).text.splitlines()
    assert "artstore_admin_signing_keys_published 2.0" in lines
    (age,) = [line.split()[1] for line in lines if line.startswith("artstore_admin_signing_key_age_seconds ")]
    assert float(age) > 0


async def test_command(admin: Admin, settings: Settings) -> None:
    await command(settings)
    headers = await admin.bearer()
    listed = (await admin.http.get(PATH, headers=headers)).json()["items"]
    assert [key["status"] for key in listed] == ["next", "active"]
    said = await command(settings, "--immediate")
    async with admin.store.transaction() as rows:
        (key,) = await rows.keys.published()
    assert said.startswith(f"{key.kid} active from ")


async def test_start_changes_the_key_encryption_key(admin: Admin, settings: Settings) -> None:
    new = bytes(reversed(KEY))
    given = {
        "AM_KEY_ENCRYPTION_KEY": base64.b64encode(new).decode(),
        "AM_PREVIOUS_KEY_ENCRYPTION_KEY": base64.b64encode(KEY).decode(),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "admin_service", "serve",
        env={**environment(settings), **given, "AM_PORT": "0"}, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            while True:
                if await sealed_under(admin, new):
                    break
                await asyncio.sleep(0.05)
    finally:
        process.terminate()
        await process.wait()
    assert await admin.token()  # the replica that has the old key still, and the key in memory


async def sealed_under(admin: Admin, key: bytes) -> bool:
    async with admin.store.transaction() as rows:
        return KeyVault(b"x" * 32, previous=key).sealed_anew((await rows.keys.published())[0]) is not None


async def command(settings: Settings, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "admin_service", "rotate-keys", *arguments,
        env=environment(settings), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()
    return said.decode()


def environment(settings: Settings) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AM_")},
        "AM_DATABASE_URL": settings.database_url.get_secret_value(),
        "AM_ISSUER": settings.issuer,
        "AM_KEY_ENCRYPTION_KEY": settings.key_encryption_key.get_secret_value(),
    }
