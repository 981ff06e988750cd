"""Tokens, retries, errors, searches."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest
from artstore_client import AsyncArtStore, Config, errors
from artstore_client.errors import error_of, retry_after_of
from artstore_client.tokens import Grant, Tokens
from artstore_core.errors import BY_CODE
from artstore_stack.tls import LocalCa
from artstore_testing.servers import free_port, running_app
from client_stand import CLIENT_ID, QUICK, Stand, problem
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, Response

SEARCH = "POST /api/v1/search"
TOKEN = "POST /api/v1/auth/token"


async def test_many_tasks_ask_for_one_token(stand: Stand, store: AsyncArtStore) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(store.search)
    assert stand.tokens_made == 1


async def test_many_refused_tasks_ask_for_one_new_token(stand: Stand, store: AsyncArtStore) -> None:
    await store.search()
    stand.tokens.clear()
    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(store.search)
    assert stand.tokens_made == 2


async def test_a_token_refused_twice_is_an_error(stand: Stand, store: AsyncArtStore) -> None:
    for _ in range(3):
        stand.canned[SEARCH].append(problem(401, "UNAUTHORIZED", "no"))
    with pytest.raises(errors.Unauthorized):
        await store.search()
    assert len(stand.asked(SEARCH)) == 2


async def test_a_token_is_renewed_before_it_expires() -> None:
    now, made = [0.0], [0]

    async def fetch() -> Grant:
        made[0] += 1
        return Grant(f"t{made[0]}", expires_in=900)

    tokens = Tokens(fetch, clock=lambda: now[0])
    for at, expected in ((0, "t1"), (869, "t1"), (871, "t2"), (1700, "t2"), (5000, "t3")):
        now[0] = at
        assert (await tokens.current()).access_token == expected


async def test_a_failed_fetch_does_not_stop_the_next() -> None:
    answers: list[Exception | Grant] = [errors.ConnectionFailed("down"), Grant("t", expires_in=900)]

    async def fetch() -> Grant:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    tokens = Tokens(fetch)
    with pytest.raises(errors.ConnectionFailed):
        await tokens.current()
    assert (await tokens.current()).access_token == "t"


async def test_a_wrong_secret_is_told_in_the_rfcs_word(stand: Stand) -> None:
    async with AsyncArtStore(stand.config(client_secret="wrong")) as store:
        with pytest.raises(errors.OAuthError) as caught:
            await store.whoami()
    assert (caught.value.code, caught.value.status) == ("invalid_client", 401)
    assert len(stand.asked(TOKEN)) == 1


async def test_no_secret_is_shown_by_repr(stand: Stand) -> None:
    assert "s3cret" not in repr(stand.config())
    assert "abc" not in repr(Grant("abc", 1))


async def test_whoami(store: AsyncArtStore) -> None:
    identity = await store.whoami()
    assert (identity.subject, identity.scopes) == (f"sa:{CLIENT_ID}", ("files:read", "files:write"))


@pytest.mark.parametrize("body", [b"[]", b"{}", b"<html>", b'{"access_token": "x", "token_type": "mac"}'])
async def test_a_token_endpoint_that_is_none(stand: Stand, store: AsyncArtStore, body: bytes) -> None:
    stand.canned[TOKEN].append(Response(body))
    with pytest.raises(errors.ProtocolError):
        await store.whoami()


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_passing_refusal_is_retried(stand: Stand, store: AsyncArtStore, status: int) -> None:
    stand.canned[SEARCH].append(problem(status, "X", "later", Retry_After="0"))
    stand.canned[SEARCH].append(problem(status, "X", "later"))
    await store.search()
    assert len(stand.asked(SEARCH)) == 3


async def test_retries_are_bounded(stand: Stand, store: AsyncArtStore) -> None:
    stand.canned[SEARCH].extend(problem(503, "ADMIN_UNAVAILABLE", "no", Retry_After="0") for _ in range(50))
    with pytest.raises(errors.Unavailable) as caught:
        await store.search()
    assert (caught.value.code, len(stand.asked(SEARCH))) == ("ADMIN_UNAVAILABLE", QUICK.attempts)


async def test_a_wait_that_is_too_long_is_not_cut_short(stand: Stand, store: AsyncArtStore) -> None:
    stand.canned[SEARCH].append(problem(429, "RATE_LIMITED", "later", Retry_After="3600"))
    with pytest.raises(errors.RateLimited) as caught:
        await store.search()
    assert (caught.value.retry_after, len(stand.asked(SEARCH))) == (3600, 1)


@pytest.mark.parametrize("status", [400, 403, 409, 500, 507])
async def test_a_lasting_refusal_is_not_retried(stand: Stand, store: AsyncArtStore, status: int) -> None:
    stand.canned[SEARCH].append(problem(status, "X", "no"))
    with pytest.raises(errors.ApiError):
        await store.search()
    assert len(stand.asked(SEARCH)) == 1


async def test_nobody_listens() -> None:
    config = Config(f"http://127.0.0.1:{free_port()}", "id", "secret", retry=QUICK)
    async with AsyncArtStore(config) as store:
        with pytest.raises(errors.ConnectionFailed, match=r"127\.0\.0\.1"):
            await store.search()


async def test_a_certificate_that_is_not_trusted_is_no_bad_weather(tmp_path: Path) -> None:
    """Nobody waits for it, and whoever asked hears what to do."""
    pair = LocalCa(tmp_path).server("gateway")
    with running_app(Starlette(), certificate=(pair.certificate, pair.key)) as url:
        async with AsyncArtStore(Config(url, "id", "secret")) as store:
            with pytest.raises(errors.ConfigurationError, match=r"is not trusted: .*ARTSTORE_CA"):
                await store.search()


async def test_a_redirect_is_not_followed_with_the_token(stand: Stand, store: AsyncArtStore) -> None:
    stand.canned[SEARCH].append(Response(status_code=307, headers={"Location": "/api/v1/elsewhere"}))
    with pytest.raises(errors.ProtocolError, match="307"):
        await store.search()
    assert stand.asked("POST /api/v1/elsewhere") == []


async def test_an_answer_that_is_no_page(stand: Stand, store: AsyncArtStore) -> None:
    stand.canned[SEARCH].extend([HTMLResponse("<html>"), JSONResponse({"items": 1})])
    for _ in range(2):
        with pytest.raises(errors.ProtocolError):
            await store.search()


async def test_search_sends_what_is_given_and_no_more(stand: Stand, store: AsyncArtStore) -> None:
    noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    await store.search("год", mode="partial", tags=["a"], uploaded_after=noon, limit=5, min_size=1)
    assert stand.bodies[0] == {
        "query": "год",
        "mode": "partial",
        "tags": ["a"],
        "uploaded_after": "2026-11-21T12:00:00+00:00",
        "min_size": 1,
        "limit": 5,
        "offset": 0,
    }


async def test_a_time_without_a_zone_is_not_guessed(store: AsyncArtStore) -> None:
    with pytest.raises(ValueError, match="time zone"):
        await store.search(uploaded_after=datetime(2026, 1, 1))  # noqa: DTZ001


async def test_search_all_walks_every_page_once(stand: Stand, store: AsyncArtStore) -> None:
    """However many there are: a search goes no further than an offset of 100,000."""
    ids = [stand.put(b"x", f"{n}.txt") for n in range(25)]
    stand.most_offset = 15
    assert [str(hit.file_id) async for hit in store.search_all(page_size=10)] == ids
    first = await store.search(limit=20)
    assert [str(hit.file_id) for hit in (await store.search(cursor=first.next_cursor)).items] == ids[20:]


async def test_info_of_nothing(store: AsyncArtStore) -> None:
    with pytest.raises(errors.NotFound) as caught:
        await store.info("018f0000-0000-7000-8000-000000000000")
    assert (caught.value.code, caught.value.request_id) == ("NOT_FOUND", "req-1")


@pytest.mark.parametrize("code", BY_CODE)
def test_every_code_of_the_api_has_a_class(code: str) -> None:
    error = error_of(BY_CODE[code].status, {}, b'{"error": {"code": "%s", "message": "m"}}' % code.encode())
    assert error.code == code
    assert type(error) is not errors.ApiError or error.status == 405


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": 1}', b'{"error": {"details": []}}', b"\xff"])
def test_an_error_in_no_known_form_is_still_an_error(body: bytes) -> None:
    error = error_of(502, {}, body)
    assert (error.code, error.status, type(error)) == ("HTTP_502", 502, errors.ServerError)


def test_an_error_names_its_fields() -> None:
    error = error_of(400, {}, b'{"error": {"code": "V", "message": "bad", "details": {"ttl_days": "1 to 365"}}}')
    assert str(error) == "V: bad (ttl_days: 1 to 365)"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7), ("", None), ("soon", None), ("-1", None), ("Sat, 21 Nov 2026 12:00:30 GMT", 30), ("١", None)],
)
def test_retry_after_in_both_forms(value: str, seconds: float | None) -> None:
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert retry_after_of({"retry-after": value}, now) == seconds
