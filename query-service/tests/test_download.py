"""Bytes from a real element through query's socket (requirements Q3, Q7)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from artstore_testing.servers import free_port, running_app
from query_support import Row, until
from starlette.types import Receive, Scope, Send
from stored_support import CONTENT, ELEMENT, Stored


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as entered:
        yield entered


async def test_what_comes_out_is_what_went_in(stored: Stored) -> None:
    answer = await stored.get()
    assert (answer.status_code, answer.content) == (200, CONTENT)
    headers = answer.headers
    assert headers["etag"] == f'"{stored.row.checksum}"'
    assert headers["content-length"] == str(len(CONTENT))
    assert headers["content-type"] == "application/pdf"
    assert headers["accept-ranges"] == "bytes"
    assert headers["x-content-type-options"] == "nosniff"
    assert "filename*=UTF-8''%D0%BE%D1%82%D1%87%D1%91%D1%82.pdf" in headers["content-disposition"]


async def test_head_is_get_without_bytes(stored: Stored) -> None:
    head, get = await stored.http.head(stored.path, headers=stored.headers), await stored.get()
    ignored = {"content-digest", "date", "x-request-id"}  # the first is of the bytes that this answer carries
    assert head.content == b""
    assert {name: value for name, value in head.headers.items() if name not in ignored} == {
        name: value for name, value in get.headers.items() if name not in ignored
    }


@pytest.mark.parametrize(
    ("headers", "status", "start", "stop"),
    [
        ({"Range": "bytes=0-0"}, 206, 0, 1),
        ({"Range": "bytes=1048570-2097160"}, 206, 1048570, 2097161),
        ({"Range": "bytes=-4"}, 206, -4, None),
        ({"Range": "bytes=5-"}, 206, 5, None),
        ({"Range": "bytes=0-1,5-6"}, 200, 0, None),
        ({"Range": "lines=1-2"}, 200, 0, None),
        ({"Range": "bytes=0-3", "If-Range": '"other"'}, 200, 0, None),
        ({"If-None-Match": '"other"'}, 200, 0, None),
    ],
)
async def test_ranges(stored: Stored, headers: dict[str, str], status: int, start: int, stop: int | None) -> None:
    answer = await stored.get(**headers)
    assert (answer.status_code, answer.content) == (status, CONTENT[start:stop])
    assert ("content-range" in answer.headers) == (status == 206)


@pytest.mark.parametrize("name", ["Range", "If-Range", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"])
async def test_a_header_that_is_not_ascii_is_one_that_means_nothing(stored: Stored, name: str) -> None:
    headers = {one.encode(): value.encode() for one, value in (stored.headers | {name: "é"}).items()}
    answer = await stored.http.get(stored.path, headers=headers)
    assert (answer.status_code, answer.content) == (200, CONTENT)


async def test_conditions(stored: Stored) -> None:
    etag = f'"{stored.row.checksum}"'
    part = await stored.get(**{"Range": "bytes=0-3", "If-Range": etag})
    assert (part.status_code, part.content) == (206, CONTENT[:4])
    same = await stored.get(**{"If-None-Match": etag})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    since = await stored.get(**{"If-Modified-Since": (await stored.get()).headers["last-modified"]})
    assert since.status_code == 304
    other = await stored.get(**{"If-Match": '"other"'})
    assert (other.status_code, other.json()["error"]["code"]) == (412, "PRECONDITION_FAILED")


async def test_a_range_outside_says_how_long_the_file_is(stored: Stored) -> None:
    answer = await stored.get(Range=f"bytes={len(CONTENT)}-")
    assert (answer.status_code, answer.json()["error"]["code"]) == (416, "INVALID_RANGE")
    assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"


async def test_a_file_that_the_element_has_not_is_404(stored: Stored) -> None:
    lost = Row()
    await stored.registry.add(lost)
    answer = await stored.http.get(f"/api/v1/files/{lost.file_id}/download", headers=stored.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


async def test_an_element_that_cannot_be_reached_is_503(stored: Stored) -> None:
    await stored.registry.element(ELEMENT, f"http://127.0.0.1:{free_port()}")
    answer = await stored.get()
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "STORAGE_UNAVAILABLE")
    assert int(answer.headers["retry-after"]) > 0
    assert "127.0.0.1" not in answer.text
    found = await stored.http.post("/api/v1/search", json={}, headers=stored.headers)
    assert found.json()["total"] == 1


async def test_an_element_that_distrusts_the_ticket_is_502(stored: Stored) -> None:
    await stored.registry.element("se-rw-2", f"{stored.element}/")
    row = Row(storage_element_id="se-rw-2")
    await stored.registry.add(row)
    answer = await stored.http.get(f"/api/v1/files/{row.file_id}/download", headers=stored.headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "UPSTREAM_FAILED")


async def test_a_client_that_goes_away_lets_the_element_go(stored: Stored) -> None:
    async with stored.http.stream("GET", stored.path, headers=stored.headers) as answer:
        await anext(answer.aiter_raw(1024))
    async with httpx.AsyncClient() as client:
        metrics = (await client.get(f"{stored.element}/metrics")).text
    assert "artstore_http_requests_in_flight" in metrics

    def let_go() -> bool:
        text = httpx.get(f"{stored.element}/metrics").text
        return "artstore_http_requests_in_flight 1.0" in text

    await until(let_go)


@pytest.mark.parametrize("name", ["If-Match", "If-None-Match"])
async def test_a_condition_in_two_headers_is_one_list(stored: Stored, name: str) -> None:
    given = [*stored.headers.items(), (name, '"other"'), (name, f'"{stored.row.checksum}"')]
    answer = await stored.http.get(stored.path, headers=given)
    assert answer.status_code == (200 if name == "If-Match" else 304)


async def test_head_of_a_file_that_is_not_given_out_is_409(stored: Stored, stack: ExitStack) -> None:
    """As GET says, whose answer has words as well."""

    async def refuses(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            body = b'{"error": {"code": "FILE_DAMAGED", "message": "x"}}'
            headers = [(b"content-length", str(len(body)).encode()), (b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 409, "headers": headers})
            return await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        return await send({"type": "lifespan.shutdown.complete"})

    await stored.registry.element(ELEMENT, stack.enter_context(running_app(refuses)))
    assert (await stored.get()).status_code == 409
    assert (await stored.http.head(stored.path, headers=stored.headers)).status_code == 409


async def test_only_the_elements_words_on_the_file_come_out(stored: Stored) -> None:
    answer = await stored.get()
    assert stored.element not in str(answer.headers)
    allowed = {
        "accept-ranges", "cache-control", "content-digest", "content-disposition", "content-length", "content-type",
        "date", "etag", "last-modified", "repr-digest", "server", "x-content-type-options", "x-request-id",
    }  # fmt: skip
    assert set(answer.headers) <= allowed


async def test_an_element_that_breaks_off_breaks_the_clients_connection(stored: Stored, stack: ExitStack) -> None:
    """A truncated file must never look like a whole one."""

    async def breaks_off(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] in ("http", "lifespan")
        if scope["type"] == "http":
            headers = [(b"content-length", b"3000000"), (b"content-type", b"application/pdf")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"x" * 2_000_000, "more_body": True})
            raise ConnectionAbortedError
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})

    await stored.registry.element(ELEMENT, stack.enter_context(running_app(breaks_off)))
    with pytest.raises(httpx.RemoteProtocolError):
        await stored.get()
