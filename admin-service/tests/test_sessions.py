"""Sign-in, refresh, the end of a session, one's own password, who one is (I5, I7)."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from admin_people import ADMIN_PASSWORD, PASSWORD, MovedClock, People, bearer_of
from admin_support import ALL

READS = ["admin:read", "files:read", "storage:read"]
NEW = "a password nobody had before"


def claims_of(tokens: dict[str, Any]) -> dict[str, Any]:
    body = tokens["access_token"].split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


async def test_sign_in_gives_tokens_that_nobody_keeps(people: People) -> None:
    answer = await people.login()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json().keys() == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("Bearer", 900)


async def test_persons_token_has_the_claims_of_rfc_9068_and_the_role(people: People) -> None:
    claims = claims_of(await people.signed_in())
    assert claims.keys() == {"iss", "sub", "aud", "client_id", "scope", "iat", "exp", "jti", "role"}
    assert (claims["sub"], claims["aud"], claims["role"]) == ("user:admin", "artstore", "admin")
    assert claims["client_id"] == "artstore-console"
    assert claims["exp"] - claims["iat"] == 900
    assert sorted(claims["scope"].split()) == sorted(ALL)


async def test_readonly_has_the_three_reads(people: People) -> None:
    await people.create("reader")
    tokens = await people.signed_in("reader", PASSWORD)
    assert claims_of(tokens)["scope"].split() == READS
    listed = await people.http.get("/api/v1/admin-users", headers=bearer_of(tokens))
    refused = await people.http.delete(f"/api/v1/admin-users/{await people.id_of('reader')}", headers=bearer_of(tokens))
    assert (listed.status_code, refused.status_code) == (200, 403)


async def test_refresh_gives_a_new_pair_and_takes_the_old_token_once(replicas: tuple[People, People]) -> None:
    one, other = replicas
    first = await one.signed_in()
    answer = await other.refresh(first["refresh_token"])
    assert answer.headers["cache-control"] == "no-store"
    second = answer.json()
    assert second["refresh_token"] != first["refresh_token"]
    assert (await one.me(second)).status_code == 200
    reused = await one.refresh(first["refresh_token"])
    assert (reused.status_code, reused.json()["error"]["code"]) == (401, "UNAUTHORIZED")


async def test_reuse_ends_the_whole_session_but_no_other(people: People) -> None:
    other = await people.signed_in()
    first = await people.signed_in()
    second = (await people.refresh(first["refresh_token"])).json()
    await people.refresh(first["refresh_token"])
    assert (await people.refresh(second["refresh_token"])).status_code == 401
    assert (await people.me(second)).status_code == 401, "admin itself refuses the session's access tokens too"
    assert (await people.me(first)).status_code == 401
    assert (await people.me(other)).status_code == 200
    [entry] = await people.audit("session.refresh_denied")
    assert (entry["target"], entry["outcome"]) == ("admin", "denied")


async def test_of_two_refreshes_at_once_exactly_one_wins(replicas: tuple[People, People]) -> None:
    for _ in range(10):
        token = (await replicas[0].signed_in())["refresh_token"]
        answers = await asyncio.gather(*(replica.refresh(token) for replica in replicas * 2))
        assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
        [won] = [answer.json() for answer in answers if answer.status_code == 200]
        assert (await replicas[0].refresh(won["refresh_token"])).status_code == 401, "the others were a reuse"


async def test_session_lives_a_day_from_its_sign_in_however_often_it_is_refreshed(
    people: People, clock: MovedClock
) -> None:
    tokens = await people.signed_in()
    for _ in range(23):
        clock.move(hours=1)
        answer = await people.refresh(tokens["refresh_token"])
        assert answer.status_code == 200
        tokens = answer.json()
    clock.move(hours=1)
    assert (await people.refresh(tokens["refresh_token"])).status_code == 401


async def test_ended_sessions_are_not_kept_for_ever(people: People, clock: MovedClock) -> None:
    for _ in range(3):
        await people.signed_in()
    clock.move(hours=27)
    await people.signed_in()
    assert (await people.count("sessions"), await people.count("refresh_tokens")) == (1, 1)


@pytest.mark.parametrize("token", ["nonsense", "я", "\ud800", "x" * 4096])
async def test_unknown_refresh_token_is_refused(people: People, token: str) -> None:
    body = json.dumps({"refresh_token": token})
    answer = await people.http.post("/api/v1/auth/refresh", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 401}
    assert answer.json()["error"]["code"] in {"VALIDATION_ERROR", "UNAUTHORIZED"}


async def test_logout_ends_the_session_without_an_access_token_and_twice_as_well(
    people: People, clock: MovedClock
) -> None:
    tokens = await people.signed_in()
    assert (await people.me(tokens)).status_code == 200
    clock.move(seconds=1000)
    assert (await people.logout(tokens["refresh_token"])).status_code == 204
    assert (await people.logout(tokens["refresh_token"])).status_code == 204
    assert (await people.logout("never was one")).status_code == 204
    assert (await people.refresh(tokens["refresh_token"])).status_code == 401
    [entry] = await people.audit("session.ended")
    assert (entry["actor"], entry["target"]) == ("user:admin", "admin")


async def test_access_token_ends_with_its_session(people: People) -> None:
    tokens = await people.signed_in()
    await people.logout(tokens["refresh_token"])
    assert (await people.me(tokens)).status_code == 401


async def test_refresh_tokens_are_kept_only_as_hashes(people: People) -> None:
    from admin_people import connection_of
    from sqlalchemy import text

    tokens = await people.signed_in()
    async with people.store.transaction() as rows:
        found = await connection_of(rows).execute(text("SELECT refresh_tokens::text FROM refresh_tokens"))
        [kept] = found.scalars()
    assert tokens["refresh_token"] not in kept


async def test_changed_password_ends_the_other_sessions_and_keeps_this_one(people: People) -> None:
    await people.create("reader")
    mine, others = await people.signed_in("reader", PASSWORD), await people.signed_in("reader", PASSWORD)
    assert (await people.change_password(mine, PASSWORD, NEW)).status_code == 204
    assert (await people.me(mine)).status_code == 401, "every older access token ended"
    renewed = await people.refresh(mine["refresh_token"])
    assert (renewed.status_code, (await people.me(renewed.json())).status_code) == (200, 200)
    assert (await people.refresh(others["refresh_token"])).status_code == 401
    assert (await people.login("reader", PASSWORD)).status_code == 401
    assert (await people.login("reader", NEW)).status_code == 200
    [entry] = await people.audit("admin_user.password_changed")
    assert (entry["actor"], entry["target"]) == ("user:reader", "reader")


async def test_wrong_current_password_counts_as_a_failed_sign_in(people: People) -> None:
    tokens = await people.signed_in()
    for _ in range(5):
        answer = await people.change_password(tokens, "wrong wrong wrong", NEW)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "UNAUTHORIZED")
    assert (await people.change_password(tokens, ADMIN_PASSWORD, NEW)).status_code == 401
    assert (await people.login()).status_code == 401


@pytest.mark.parametrize(
    "new", ["too short", "x" * 1025, "я" * 513, "with\x00nul inside it", "reader-reader", "READER-reader", PASSWORD]
)
async def test_unfit_new_password_is_refused(people: People, new: str) -> None:
    await people.create("reader-reader")
    tokens = await people.signed_in("reader-reader", PASSWORD)
    answer = await people.change_password(tokens, PASSWORD, new)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert answer.json()["error"]["details"].keys() == {"new_password"}
    assert (await people.login("reader-reader", PASSWORD)).status_code == 200


async def test_programs_have_no_password_to_change(people: People) -> None:
    answer = await people.change_password({"access_token": await people.token()}, "what", NEW)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FORBIDDEN")


async def test_password_is_the_same_on_every_keyboard(people: People) -> None:
    composed, decomposed = "пароль зимой и й", "пароль зимой и и\u0306"
    await people.create("reader", password=composed)
    assert (await people.login("reader", decomposed)).status_code == 200


async def test_me_says_who_a_person_is(people: People) -> None:
    await people.create("reader", quota_bytes=1000, quota_files=3)
    me = (await people.me(await people.signed_in("reader", PASSWORD))).json()
    assert me == {
        "subject": "user:reader",
        "kind": "user",
        "name": "reader",
        "role": "readonly",
        "scopes": READS,
        "password_change_required": False,
        "quota_bytes": 1000,
        "quota_files": 3,
        "used_bytes": 0,
        "used_files": 0,
    }


async def test_me_says_who_a_program_is(people: People) -> None:
    client = (await people.me({"access_token": await people.token("client")})).json()
    assert (client["subject"], client["kind"], client["role"]) == ("sa:sa_client_1", "client", None)
    assert client["scopes"] == ["files:read", "files:write"]
    service = await people.token("ingester", resource="urn:artstore:internal")
    assert (await people.me({"access_token": service})).json()["kind"] == "service"
    assert (await people.http.get("/api/v1/auth/me")).status_code == 401
