"""Idempotency keys: one holder at a time, one file for each, and nothing forgotten of an attempt that died."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from admin_people import MovedClock, People
from admin_support import Admin
from artstore_core.ids import new_id

URL = "/api/v1/idempotency-keys"
CLIENT = "sa:sa_client_1"
PRINT, OTHER = hashlib.sha256(b"a").hexdigest(), hashlib.sha256(b"b").hexdigest()


def file_of(file_id: str | UUID) -> dict[str, Any]:
    return {
        "file_id": str(file_id),
        "original_filename": "a.pdf",
        "content_type": "application/pdf",
        "size": 1,
        "checksum": "0" * 64,
        "uploaded_by": CLIENT,
        "uploaded_at": "2026-11-22T00:00:00Z",
        "description": None,
        "tags": [],
        "metadata": {},
        "status": "active",
        "retention_policy": "permanent",
        "ttl_days": None,
        "expires_at": None,
        "revision": 1,
    }


class Attempt:
    """One client's try, with a holder of its own."""

    def __init__(self, keys: Keys, principal: str, key: str) -> None:
        self._keys, self.file_id = keys, str(new_id())
        self._same = {
            "principal": principal,
            "key_hash": hashlib.sha256(key.encode()).hexdigest(),
            "holder": str(uuid4()),
        }

    async def begin(self) -> httpx.Response:
        return await self._ask("PUT", URL)

    async def finish(self, fingerprint: str = PRINT, **more: Any) -> httpx.Response:
        return await self._ask("POST", f"{URL}/finish", fingerprint=fingerprint, **more)

    async def give_up(self, *, unknown: bool = False) -> None:
        assert (await self._ask("DELETE", URL, unknown=unknown)).status_code == 204

    async def _ask(self, method: str, url: str, **more: Any) -> httpx.Response:
        body = {**self._same, "file_id": self.file_id, **more}
        return await self._keys.http.request(method, url, json=body, headers=self._keys.headers)


class Keys:
    def __init__(self, people: People, clock: MovedClock) -> None:
        self._people, self.http, self.clock = people, people.http, clock
        self.headers: dict[str, str] = {}

    async def sign_in(self) -> None:
        self.headers = await self._people.bearer("ingester", resource="urn:artstore:internal")

    def attempt(self, principal: str = CLIENT, key: str = "k") -> Attempt:
        return Attempt(self, principal, key)


@pytest.fixture
async def keys(people: People, clock: MovedClock) -> Keys:
    made = Keys(people, clock)
    await made.sign_in()
    return made


async def test_one_has_it_and_the_others_hear_when_to_ask_again(keys: Keys) -> None:
    attempts = [keys.attempt() for _ in range(20)]
    answers = await asyncio.gather(*(one.begin() for one in attempts))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    for answer in answers:
        if answer.status_code == 409:
            assert (answer.json()["error"]["code"], answer.headers["retry-after"]) == ("CONFLICT", "5")
    winner = next(one for one, answer in zip(attempts, answers, strict=True) if answer.status_code == 201)
    renewed = await winner.begin()
    assert (renewed.status_code, renewed.json()["file_id"], renewed.json()["again"]) == (201, winner.file_id, False)


async def test_done_is_told_to_all_who_ask_for_a_day(keys: Keys) -> None:
    one = keys.attempt()
    await one.begin()
    assert (await one.finish(answer=file_of(one.file_id))).status_code == 204
    told = await keys.attempt().begin()
    assert told.status_code == 200
    assert told.json() == {
        "file_id": one.file_id,
        "again": False,
        "lease_until": None,
        "fingerprint": PRINT,
        "file": file_of(one.file_id),
        "registered": False,
    }
    registering = file_of(one.file_id) | {"storage_element_id": "se-rw-1", "revision": 2, "description": "new"}
    assert (await keys.http.post("/api/v1/registry/files", json=registering, headers=keys.headers)).status_code == 201
    told = await keys.attempt().begin()
    assert told.json()["registered"] is True
    assert told.json()["file"] == file_of(one.file_id) | {"revision": 2, "description": "new"}
    assert (await one.finish(OTHER)).status_code == 409
    await one.give_up()
    keys.clock.move(hours=24, seconds=1)
    await keys.sign_in()
    fresh = keys.attempt()
    assert (await fresh.begin()).json() | {"lease_until": 0} == {
        "file_id": fresh.file_id,
        "again": False,
        "lease_until": 0,
        "fingerprint": None,
        "file": None,
        "registered": False,
    }


async def test_what_a_dead_one_began_is_gone_on_with_under_the_same_id(keys: Keys) -> None:
    dead, heir = keys.attempt(), keys.attempt()
    await dead.begin()
    keys.clock.move(seconds=40)
    await dead.begin()
    keys.clock.move(seconds=40)
    assert (await heir.begin()).status_code == 409
    keys.clock.move(seconds=21)
    taken = await heir.begin()
    assert (taken.status_code, taken.json()["file_id"], taken.json()["again"]) == (201, dead.file_id, True)
    assert (await dead.begin()).status_code == 409
    assert (await dead.finish()).status_code == 409
    await heir.give_up()
    third = await keys.attempt().begin()
    assert (third.json()["file_id"], third.json()["again"]) == (dead.file_id, True)


async def test_a_failure_frees_the_key_and_an_unknown_outcome_keeps_the_id(keys: Keys) -> None:
    failed, unsure, last = keys.attempt(), keys.attempt(), keys.attempt()
    await failed.begin()
    await failed.give_up()
    assert (await unsure.begin()).json()["file_id"] == unsure.file_id
    await unsure.give_up(unknown=True)
    assert (await last.begin()).status_code == 409
    keys.clock.move(seconds=6)
    taken = await last.begin()
    assert (taken.json()["file_id"], taken.json()["again"]) == (unsure.file_id, True)


async def test_a_key_is_one_principals(keys: Keys) -> None:
    for principal in (CLIENT, "user:admin"):
        for key in ("k", "other"):
            assert (await keys.attempt(principal, key).begin()).status_code == 201


async def test_clients_have_no_say(admin: Admin) -> None:
    headers = await admin.bearer("operator")
    body = {"principal": CLIENT, "key_hash": PRINT, "holder": str(uuid4()), "file_id": str(new_id())}
    assert (await admin.http.put(URL, json=body, headers=headers)).status_code == 401


@pytest.mark.parametrize("change", [{"key_hash": "plain"}, {"holder": None}, {"principal": ""}, {"more": 1}])
async def test_what_means_nothing_is_refused(keys: Keys, change: dict[str, Any]) -> None:
    body = {"principal": CLIENT, "key_hash": PRINT, "holder": str(uuid4()), "file_id": str(new_id()), **change}
    assert (await keys.http.put(URL, json=body, headers=keys.headers)).status_code == 400
