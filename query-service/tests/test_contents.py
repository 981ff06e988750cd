"""Small files come out of memory: the same answers, and no longer than they are known."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from artstore_core.errors import UpstreamFailed
from artstore_testing.postgres import Database
from artstore_testing.servers import running_app
from artstore_testing.tokens import TokenIssuer
from query_service.config import Settings
from query_service.files.contents import HotContents
from query_service.files.lookup import Located
from query_support import Row, eventually
from starlette.types import Receive, Scope, Send
from stored_support import ELEMENT, Stored, row_of, store, stored_file
from test_short_cut import OneFile

SMALL = "Договор № 17".encode() * 100


@pytest.fixture
async def stored(settings: Settings, migrated: Database, issuer: TokenIssuer, tmp_path: Path) -> AsyncIterator[Stored]:
    async with stored_file(settings, migrated, issuer, tmp_path / "data") as found:
        yield found


async def small_file(stored: Stored, issuer: TokenIssuer, content: bytes = SMALL) -> Row:
    row = row_of("договор.txt", content, ELEMENT)
    row.content_type = "text/plain"
    await stored.registry.add(row)
    await store(stored.element, row, issuer, content)
    return row


async def got(stored: Stored, row: Row, method: str = "GET", **headers: str) -> httpx.Response:
    path = f"/api/v1/files/{row.file_id}/download"
    return await stored.http.request(method, path, headers=stored.headers | headers)


async def hits(stored: Stored) -> float:
    return await stored.metric("artstore_query_content_hits_total")


async def in_memory(stored: Stored, row: Row) -> httpx.Response:
    """The answer that came from the element; from then on it is in memory. Events of before may still clear it once."""
    first = await got(stored, row)

    async def kept() -> bool:
        before = await hits(stored)
        await got(stored, row)
        return await hits(stored) > before

    await eventually(kept, 60)
    return first


def told(answer: httpx.Response) -> dict[str, str]:
    """The headers that are of the file. When it was uploaded, this test's registry knows less well than the element."""
    others = {"date", "x-request-id", "server", "last-modified"}
    return {name: value for name, value in answer.headers.items() if name not in others}


async def test_memory_answers_as_the_element_does(stored: Stored, issuer: TokenIssuer) -> None:
    row = await small_file(stored, issuer)
    cases: list[tuple[str, dict[str, str]]] = [
        ("GET", {}),
        ("HEAD", {}),
        ("GET", {"Range": "bytes=5-9"}),
        ("GET", {"Range": "bytes=-7"}),
        ("GET", {"Range": "bytes=999999-"}),
        ("GET", {"If-None-Match": f'"{row.checksum}"'}),
        ("HEAD", {"If-None-Match": "*"}),
        ("GET", {"If-Match": '"other"'}),
        ("GET", {"Range": "bytes=0-3", "If-Range": '"other"'}),
    ]
    # Conditions and parts of what is not in memory go to the element: they come first.
    before = [await got(stored, row, method, **headers) for method, headers in reversed(cases)][::-1]
    await in_memory(stored, row)
    for (method, headers), other in zip(cases, before, strict=True):
        answer = await got(stored, row, method, **headers)
        assert (answer.status_code, told(answer)) == (other.status_code, told(other))
        if answer.status_code < 400:
            assert answer.content == other.content
        assert answer.status_code in {200, 206, 304, 412, 416}


async def test_what_is_deleted_comes_out_no_more(stored: Stored, issuer: TokenIssuer) -> None:
    row = await small_file(stored, issuer)
    assert (await in_memory(stored, row)).content == SMALL
    await stored.registry.change("UPDATE files SET status = 'deleted' WHERE file_id = $1", row.file_id)

    async def gone() -> bool:
        return (await got(stored, row)).status_code == 404

    await eventually(gone, 60)


async def test_element_that_is_archived_gives_out_nothing_from_memory_either(
    stored: Stored, issuer: TokenIssuer
) -> None:
    row = await small_file(stored, issuer)
    await in_memory(stored, row)
    await stored.registry.element(ELEMENT, stored.element, "ar")

    async def refused() -> bool:
        return (await got(stored, row)).status_code == 409

    await eventually(refused, 60)


async def test_other_bytes_than_were_stored_are_not_given_out(stored: Stored, issuer: TokenIssuer) -> None:
    row = await small_file(stored, issuer)
    other = hashlib.sha256(b"another").hexdigest()
    await stored.registry.change("UPDATE files SET checksum = $1 WHERE file_id = $2", other, row.file_id)
    answer = await got(stored, row)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "UPSTREAM_FAILED")


class Endless:
    """Something that answers in the place of an element, and does not stop."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            return await send({"type": "lifespan.shutdown.complete"})
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(200):
            await send({"type": "http.response.body", "body": b"x" * 10_000, "more_body": True})
        return None


async def test_more_bytes_than_were_stored_do_not_fill_memory(stored: Stored) -> None:
    row = row_of("a.txt", b"abc", "se-rw-2")
    with running_app(Endless()) as url:
        await stored.registry.element("se-rw-2", url)
        await stored.registry.add(row)
        answer = await got(stored, row)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "UPSTREAM_FAILED")


async def test_large_files_are_not_kept(stored: Stored) -> None:
    for _ in range(3):
        assert (await stored.get()).status_code == 200
    assert await hits(stored) == 0
    assert await stored.metric("artstore_query_content_bytes") == 0


async def located(content: bytes) -> Located:
    found = await OneFile().get(row_of("a", content).file_id)
    assert found is not None
    file = found.file.model_copy(update={"checksum": hashlib.sha256(content).hexdigest(), "size": len(content)})
    return Located(file, found.home)


async def test_memory_is_bounded() -> None:
    contents = HotContents(10_000, 4_000)
    several = [await located(bytes([number]) * 3_000) for number in range(9)]
    for number, one in enumerate(several):
        contents.keep(one, bytes([number]) * 3_000)
        assert contents.size <= 10_000
    assert [contents.get(one) is not None for one in several] == [False] * 6 + [True] * 3


async def test_bytes_count_with_their_entry_alone() -> None:
    contents, one = HotContents(10_000, 4_000), await located(b"a")
    contents.keep(one, b"a")
    assert contents.get(one) == b"a"
    again = Located(one.file, one.home)
    assert contents.get(again) is None
    assert contents.get(one) is None
    with pytest.raises(UpstreamFailed):
        contents.keep(again, b"b")
    assert contents.size == 0
