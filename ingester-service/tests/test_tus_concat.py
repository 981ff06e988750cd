"""Concatenation: one file of several partial uploads, as tus-js-client's `parallelUploads` has it."""

from __future__ import annotations

import asyncio
import os

import httpx
import pytest
from artstore_core.modes import Mode
from ingester_support import MIB, ElementProcess, Ingester
from tus_support import BYTES, UPLOADS, Case, Tus, id_of, metadata, sha256

PARTIAL = {"Upload_Concat": "partial"}


async def filled(tus: Tus, content: bytes) -> str:
    path = await tus.begin(len(content), **PARTIAL)
    assert (await tus.patch(path, 0, content)).status_code == 204
    return path


async def join(tus: Tus, parts: list[str], **said: str) -> httpx.Response:
    headers = {"Upload-Concat": f"final;{' '.join(parts)}"}
    return await tus.ask("POST", UPLOADS, headers | ({"Upload-Metadata": metadata(**said)} if said else {}))


async def test_parts_in_parallel_make_one_file(ingester: Ingester, tus: Tus) -> None:
    elements = [ingester.element(f"se-rw-{number}") for number in range(3)]
    contents = [b"%PDF-1.7 " + os.urandom(MIB), os.urandom(2 * MIB), os.urandom(3)]
    parts = await asyncio.gather(*(filled(tus, content) for content in contents))
    assert [(await tus.ask("HEAD", part)).headers["upload-concat"] for part in parts] == ["partial"] * 3
    assert sum(bool(element.files()) for element in elements) == 1  # together, so that nothing need be copied
    answer = await join(tus, parts, filename="ю.pdf", tags="a, b")
    assert answer.status_code == 201, answer.text
    file, content = answer.json(), b"".join(contents)
    assert (file["checksum"], file["content_type"], file["tags"]) == (sha256(content), "application/pdf", ["a", "b"])
    assert answer.headers["location"] == f"{UPLOADS}/{file['file_id']}"
    assert [data for element in elements for data in element.data()] == [content]
    assert [one["file_id"] for one in ingester.admin.registered] == [file["file_id"]]
    head = await tus.ask("HEAD", answer.headers["location"])
    assert head.headers["upload-offset"] == head.headers["upload-length"] == str(len(content))
    assert (await tus.ask("HEAD", parts[0])).status_code == 404


async def test_the_same_request_again_makes_no_second_file(tus: Tus, rw: ElementProcess) -> None:
    parts = [await filled(tus, b"hello "), await filled(tus, b"world")]
    first, again = await join(tus, parts, filename="a.txt"), await join(tus, parts, filename="a.txt")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert rw.data() == [b"hello world"]


async def test_parts_that_lie_apart_are_copied(ingester: Ingester, tus: Tus, rw: ElementProcess) -> None:
    """The parts went where permanent files go, and only then it was said that the file is temporary."""
    contents = [os.urandom(2 * MIB), os.urandom(MIB)]
    parts = [await filled(tus, contents[0])]
    edit = ingester.element("se-edit-1", Mode.EDIT)
    said = metadata(filename="a.bin", retention_policy="temporary")
    on_edit = await tus.begin(MIB, Upload_Concat="partial", Upload_Metadata=said)
    await tus.patch(on_edit, 0, contents[1])
    answer = await join(tus, [*parts, on_edit], filename="a.bin", retention_policy="temporary", ttl_days="2")
    assert answer.status_code == 201, answer.text
    assert (answer.json()["ttl_days"], edit.data()) == (2, [b"".join(contents)])
    assert rw.files() == []
    assert len(edit.files()) == 2
    again = await join(tus, [*parts, on_edit], filename="a.bin", retention_policy="temporary", ttl_days="2")
    assert again.json() == answer.json()


async def test_refusals(ingester: Ingester, tus: Tus, rw: ElementProcess) -> None:
    good, whole, begun = await filled(tus, b"hello"), await tus.begin(5), await tus.begin(5, **PARTIAL)
    nobodys = f"{UPLOADS}/0192f3a0-0000-7000-8000-000000000000"
    stranger = Tus(ingester, "sa:sa_other")
    stolen = await filled(stranger, b"other")
    file = await tus.begin(0)
    before = rw.files()

    def final(name: str, *urls: str, status: int = 400, more: dict[str, str] | None = None) -> Case:
        headers = {"Upload-Concat": f"final;{' '.join(urls)}", **(more or {})}
        return Case(name, status, headers)

    for case in (
        final("nothing"),
        final("twice", good, good),
        final("no partial upload", good, whole),
        final("a file", good, file),
        final("not finished", good, begun),
        final("nobody's", good, nobodys),
        final("somebody else's", good, stolen),
        final("no upload", good, "/api/v1/files/upload"),
        final("nonsense", good, "http://[::1"),
        final("another server's path", "https://evil.test/uploads/" + id_of(good)),
        final("too many", *[f"{UPLOADS}/{number:032x}" for number in range(1001)]),
        final("with a length", good, more={"Upload-Length": "5"}),
        final("blocked name", good, status=415, more={"Upload-Metadata": metadata(filename="a.exe")}),
    ):
        await tus.check(case, "POST", UPLOADS)
    assert rw.files() == before
    assert (await join(tus, [f"http://gateway.test:8080{good}"])).status_code == 201


async def test_a_blocked_type_leaves_nothing(tus: Tus, rw: ElementProcess) -> None:
    parts = [await filled(tus, b"\x7fE"), await filled(tus, b"LF" + bytes(100))]
    answer = await join(tus, parts, filename="a.jpg")
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "TYPE_NOT_ALLOWED")
    assert rw.files() == []


async def test_a_blocked_name_is_refused_before_its_parts_are_sent(tus: Tus, rw: ElementProcess) -> None:
    said = {"Upload-Length": "5", "Upload-Concat": "partial", "Upload-Metadata": metadata(filename="setup.exe")}
    answer = await tus.ask("POST", UPLOADS, said)
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "TYPE_NOT_ALLOWED")
    assert rw.files() == []


async def test_empty_parts(tus: Tus, rw: ElementProcess) -> None:
    parts = [await tus.begin(0, **PARTIAL), await filled(tus, b"x")]
    assert (await join(tus, parts)).status_code == 201
    assert rw.data() == [b"x"]


@pytest.mark.parametrize("files", [3])
async def test_a_quota_is_not_used_twice(ingester: Ingester, tus: Tus, rw: ElementProcess, files: int) -> None:
    ingester.admin.quota_files = files
    parts = [await filled(tus, b"x") for _ in range(files)]
    assert (await join(tus, parts)).status_code == 201
    assert ingester.admin.reserved == {}
    assert len(rw.data()) == 1


async def test_a_final_upload_takes_no_bytes(tus: Tus, rw: ElementProcess) -> None:
    part = await filled(tus, b"hello")
    answer = await join(tus, [part])
    path = answer.headers["location"]
    refused = await tus.ask("PATCH", path, {"Content-Type": BYTES, "Upload-Offset": "0"}, b"x")
    assert refused.status_code == 409
    assert rw.data() == [b"hello"]
