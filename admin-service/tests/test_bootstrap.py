"""The first start, and the second (I11)."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from admin_service.bootstrap import Bootstrap
from admin_support import GIVEN, Admin, run_bootstrap
from pydantic import ValidationError


async def test_second_bootstrap_changes_nothing(admin: Admin, tmp_path: Path) -> None:
    before = (await admin.http.get("/.well-known/jwks.json")).json()
    await run_bootstrap(admin.store, GIVEN, tmp_path)
    accounts = await admin.http.get("/api/v1/service-accounts", headers=await admin.bearer())
    assert accounts.json()["total"] == 3
    async with admin.store.transaction() as rows:
        keys = await rows.keys.published()
    assert [key.public_jwk for key in keys] == before["keys"]


async def test_changed_secret_follows_the_file(admin: Admin, tmp_path: Path) -> None:
    given = copy.deepcopy(GIVEN)
    given["service_accounts"][1]["client_secret"] = "another"
    await run_bootstrap(admin.store, given, tmp_path)
    assert (await admin.ask_token("client")).status_code == 401


async def test_services_secret_from_the_file_never_ends(admin: Admin, tmp_path: Path) -> None:
    """A rotation by the API gave it an end; the next start takes the file's word again."""
    listed = (await admin.http.get("/api/v1/service-accounts", headers=await admin.bearer())).json()["items"]
    path = f"/api/v1/service-accounts/{next(one['id'] for one in listed if one['name'] == 'ingester')}"
    await admin.http.post(f"{path}/rotate-secret", json={"overlap_seconds": 60}, headers=await admin.bearer())
    await run_bootstrap(admin.store, GIVEN, tmp_path)
    account = (await admin.http.get(path, headers=await admin.bearer())).json()
    assert (account["secret_expires_at"], account["previous_secret_expires_at"]) == (None, None)
    assert (await admin.ask_token("ingester", resource="urn:artstore:internal")).status_code == 200


def test_unsafe_element_url_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bootstrap.json"
    for url in ("http://127.0.0.1", "https://user@host", "https://host/path"):
        file.write_text(json.dumps({"storage_elements": [{"storage_id": "se-1", "url": url}]}))
        with pytest.raises(ValidationError):
            Bootstrap.read(file)
