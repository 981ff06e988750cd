"""PATCH: bytes at the offset where the upload ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import httpx
import pytest
from ingester_support import MIB, ElementProcess, Ingester, until
from tus_support import BYTES, Case, Tus, checksum, id_of, metadata, sha256

CAME = MIB + MIB // 2 + 7
AT_0 = {"Content-Type": BYTES, "Upload-Offset": "0"}


async def test_in_pieces_makes_the_file(ingester: Ingester, tus: Tus, rw: ElementProcess) -> None:
    content = os.urandom(5 * MIB + 3)
    path = await tus.begin(len(content), Upload_Metadata=metadata(filename="a.bin"))
    offset = 0
    for end in (1, MIB, MIB, 4 * MIB, len(content)):
        answer = await tus.patch(path, offset, content[offset:end])
        assert (answer.status_code, answer.headers["upload-offset"], answer.content) == (204, str(end), b"")
        assert ("upload-expires" in answer.headers) == (end < len(content))
        offset = end
    assert answer.headers["location"] == f"/api/v1/files/{id_of(path)}"
    assert rw.data() == [content]
    assert [file["checksum"] for file in ingester.admin.registered] == [sha256(content)]
    assert (await tus.state(path))["file"]["file_id"] == id_of(path)


REFUSED = [
    Case("past the end", 409, {**AT_0, "Upload-Offset": "6"}, b"x", {"upload-offset": "5"}, code="CONFLICT"),
    Case("before the end", 409, AT_0, b"x", {"upload-offset": "5"}, code="CONFLICT"),
    Case("no offset", 400, {"Content-Type": BYTES}, b"x", code="VALIDATION_ERROR"),
    Case("negative offset", 400, {"Content-Type": BYTES, "Upload-Offset": "-5"}, b"x", code="VALIDATION_ERROR"),
    Case("offset of a hundred digits", 400, {"Content-Type": BYTES, "Upload-Offset": "5" * 100}, b"x"),
    Case("another type", 415, {"Content-Type": "text/plain", "Upload-Offset": "5"}, b"x", code="TYPE_NOT_ALLOWED"),
    Case("no type", 415, {"Upload-Offset": "5"}, b"x", code="TYPE_NOT_ALLOWED"),
    Case("encoded", 400, {**AT_0, "Upload-Offset": "5", "Content-Encoding": "gzip"}, b"x", code="VALIDATION_ERROR"),
    Case("too many bytes", 413, {**AT_0, "Upload-Offset": "5"}, b"x" * 6, code="FILE_TOO_LARGE"),
    Case("another length", 409, {**AT_0, "Upload-Offset": "5", "Upload-Length": "11"}, b"x", code="CONFLICT"),
    Case("unknown checksum", 400, {**AT_0, "Upload-Offset": "5", "Upload-Checksum": "crc32 AAAA"}, b"x"),
    Case("bad base64", 400, {**AT_0, "Upload-Offset": "5", "Upload-Checksum": "sha1 !!!"}, b"x"),
    Case("short digest", 400, {**AT_0, "Upload-Offset": "5", "Upload-Checksum": "sha1 AAAA"}, b"x"),
    Case("wrong checksum", 460, {**AT_0, "Upload-Offset": "5", "Upload-Checksum": checksum(b"y")}, b"x"),
]


async def test_refuses_and_keeps_nothing_of_it(tus: Tus, rw: ElementProcess) -> None:
    path = await tus.begin(10)
    await tus.patch(path, 0, b"hello")
    for case in REFUSED:
        await tus.check(case, "PATCH", path)
        assert await tus.offset(path) == 5, case.name
    assert (await tus.patch(path, 5, b"world")).status_code == 204
    assert rw.data() == [b"helloworld"]


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5"])
async def test_checksums(tus: Tus, rw: ElementProcess, algorithm: str) -> None:
    first, second = os.urandom(3 * MIB), os.urandom(MIB)
    path = await tus.begin(4 * MIB)
    for offset, content in ((0, first), (3 * MIB, second)):
        wrong = await tus.patch(path, offset, content, Upload_Checksum=checksum(content + b"x", algorithm))
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (460, "CHECKSUM_MISMATCH")
        assert await tus.offset(path) == offset
        right = await tus.patch(path, offset, content, Upload_Checksum=checksum(content, algorithm))
        assert right.status_code == 204
    assert rw.data() == [first + second]


async def test_more_than_was_said_without_a_length_of_the_body(tus: Tus, rw: ElementProcess) -> None:
    async def lying() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield b"x" * 4

    path = await tus.begin(10)
    answer = await tus.patch(path, 0, lying())
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "FILE_TOO_LARGE")
    assert rw.data() == []
    assert (await tus.offset(path)) < 10


async def test_a_length_told_later(tus: Tus, rw: ElementProcess) -> None:
    path = await tus.begin(None)
    assert (await tus.patch(path, 0, b"hello")).status_code == 204
    assert (await tus.patch(path, 5, b"", Upload_Length="3")).status_code == 409
    assert (await tus.patch(path, 5, b"", Upload_Length=str(2**41))).status_code == 413
    assert (await tus.patch(path, 5, b" wor", Upload_Length="11")).status_code == 204
    head = await tus.ask("HEAD", path)
    assert (head.headers["upload-length"], "upload-defer-length" in head.headers) == ("11", False)
    assert (await tus.patch(path, 9, b"ld")).status_code == 204
    whole = await tus.begin(None)
    await tus.patch(whole, 0, b"hello")
    assert (await tus.patch(whole, 5, b"", Upload_Length="5")).headers["location"].startswith("/api/v1/files/")
    assert sorted(rw.data()) == [b"hello", b"hello world"]


async def test_what_came_before_the_client_went_away_is_kept(tus: Tus, rw: ElementProcess) -> None:
    content = os.urandom(4 * MIB)
    came = 2 * MIB + 12_345
    path = await tus.begin(len(content))

    async def breaks_off() -> AsyncIterator[bytes]:
        yield content[:came]
        await until(lambda: any(size >= MIB for size in sizes(rw)))
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        await tus.patch(path, 0, breaks_off())
    offset = await tus.offset(path)
    assert offset == came
    assert (await tus.patch(path, offset, content[offset:])).status_code == 204
    assert rw.data() == [content]


async def test_with_a_checksum_nothing_of_a_broken_body_is_kept(tus: Tus, rw: ElementProcess) -> None:
    content = os.urandom(4 * MIB)
    path = await tus.begin(len(content))

    async def breaks_off() -> AsyncIterator[bytes]:
        yield content[: 3 * MIB]
        await until(lambda: any(size >= MIB for size in sizes(rw)))
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        await tus.patch(path, 0, breaks_off(), Upload_Checksum=checksum(content))
    assert await tus.offset(path) == 0


async def test_two_cannot_write_one_upload(ingester: Ingester, tus: Tus, rw: ElementProcess) -> None:
    """The one whose bytes flow goes on; another hears 423 and no byte of it is taken."""
    path, may_end = await tus.begin(3 * MIB), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"a" * 2 * MIB
        while not may_end.is_set():
            await asyncio.sleep(0.1)
            yield b"a" * 100

    first = asyncio.create_task(tus.patch(path, 0, slowly()))
    await until(lambda: any(size >= MIB for size in sizes(rw)))
    async with httpx.AsyncClient(base_url=ingester.replica(), timeout=30) as http:
        for other in (tus, tus.at(http)):
            for answer in (
                await other.patch(path, 2 * MIB, b"b"),
                await other.ask("HEAD", path),
                await other.ask("DELETE", path),
            ):
                assert (answer.status_code, answer.headers["retry-after"]) == (423, "1")
        assert (await tus.at(http).state(path))["status"] == "uploading"
    may_end.set()
    assert (await first).status_code == 204
    offset = await tus.offset(path)
    assert (await tus.patch(path, offset, b"c" * (3 * MIB - offset))).status_code == 204
    assert rw.data() == [b"a" * offset + b"c" * (3 * MIB - offset)]


async def test_a_connection_that_is_dead_makes_way(ingester: Ingester, tus: Tus, rw: ElementProcess) -> None:
    """Its client lost its network without a word, and comes again from elsewhere, to another replica."""
    path, over = await tus.begin(2 * MIB), asyncio.Event()

    async def falls_silent() -> AsyncIterator[bytes]:
        yield b"a" * CAME
        await over.wait()

    first = asyncio.create_task(tus.patch(path, 0, falls_silent()))
    await until(lambda: first.done() or any(size >= MIB for size in sizes(rw)))
    assert not first.done(), first.result().text
    async with httpx.AsyncClient(base_url=ingester.replica(), timeout=30) as http:
        again = tus.at(http)
        for _ in range(20):
            if (await again.ask("HEAD", path)).status_code == 200:
                break
        assert await again.offset(path) == CAME
        assert (await again.patch(path, CAME, b"b" * (2 * MIB - CAME))).status_code == 204
    assert rw.data() == [b"a" * CAME + b"b" * (2 * MIB - CAME)]
    over.set()
    first.cancel()


async def test_method_override(tus: Tus, rw: ElementProcess) -> None:
    path = await tus.begin(5)
    override = {"X-HTTP-Method-Override": "PATCH", **AT_0}
    assert (await tus.ask("POST", path, override, b"hel")).headers["upload-offset"] == "3"
    assert (await tus.ask("POST", path, {"X-HTTP-Method-Override": "HEAD"})).headers["upload-offset"] == "3"
    assert (await tus.ask("POST", path, {"X-HTTP-Method-Override": "delete"})).status_code == 204
    for headers in ({}, {"X-HTTP-Method-Override": "PUT"}):
        assert (await tus.ask("POST", path, headers)).status_code == 405
    assert rw.files() == []


async def test_a_blocked_type_is_refused_when_it_is_complete(tus: Tus, rw: ElementProcess) -> None:
    program = b"\x7fELF" + bytes(100)
    path = await tus.begin(len(program), Upload_Metadata=metadata(filename="holiday.jpg"))
    assert (await tus.patch(path, 0, program[:2])).status_code == 204
    answer = await tus.patch(path, 2, program[2:])
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "TYPE_NOT_ALLOWED")
    assert (await tus.ask("HEAD", path)).status_code == 404
    assert rw.files() == []


def sizes(element: ElementProcess) -> list[int]:
    return [path.stat().st_size for path in (element.root / "staging").rglob("*") if path.is_file()]
