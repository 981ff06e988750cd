"""Creation: POST, with and without bytes, with a length or without."""

from __future__ import annotations

import pytest
from artstore_core.modes import Mode
from ingester_support import MIB, ElementProcess, Ingester, until
from tus_support import BYTES, UPLOADS, Case, Tus, id_of, metadata, sha256

NAMED = {"Upload-Metadata": metadata(filename="отчёт.pdf", filetype="text/html")}


GOOD = [
    Case("with a length", 201, {"Upload-Length": "5"}, expects={"upload-offset": None}),
    Case("with metadata", 201, {"Upload-Length": "5", **NAMED}),
    Case("with a length to come", 201, {"Upload-Defer-Length": "1"}),
    Case("with first bytes", 201, {"Upload-Length": "5", "Content-Type": BYTES}, b"he", {"upload-offset": "2"}),
    Case("with a type and no bytes", 201, {"Upload-Length": "5", "Content-Type": BYTES}, b"", {"upload-offset": "0"}),
    Case("with JSON's type and no bytes", 201, {"Upload-Length": "5", "Content-Type": "application/json"}),
    Case("partial", 201, {"Upload-Length": "5", "Upload-Concat": "partial"}),
    Case("with keys of other clients", 201, {"Upload-Length": "5", "Upload-Metadata": "relativePath ,type aW1n,x"}),
]


async def test_begins(tus: Tus, rw: ElementProcess) -> None:
    for number, case in enumerate(GOOD, 1):
        answer = await tus.check(case, "POST", UPLOADS)
        path = answer.headers["location"]
        assert path == f"{UPLOADS}/{id_of(path)}"
        assert "upload-expires" in answer.headers
        assert answer.content == b""
        assert "se-rw" not in str(answer.headers)
        assert len(rw.files()) == 2 * number  # the bytes, and what was agreed on them
        assert await tus.offset(path) == len(case.body)


BAD = [
    Case("no version", 412, {"Upload-Length": "5", "Tus-Resumable": None}, expects={"tus-version": "1.0.0"}),
    Case("another version", 412, {"Upload-Length": "5", "Tus-Resumable": "0.2.2"}, code="PRECONDITION_FAILED"),
    Case("no token", 401, {"Upload-Length": "5", "Authorization": None}, code="UNAUTHORIZED"),
    Case("no length", 400, code="VALIDATION_ERROR"),
    Case("negative length", 400, {"Upload-Length": "-1"}, code="VALIDATION_ERROR"),
    Case("length in words", 400, {"Upload-Length": "five"}, code="VALIDATION_ERROR"),
    Case("length of a hundred digits", 400, {"Upload-Length": "9" * 100}, code="VALIDATION_ERROR"),
    Case("length now and later", 400, {"Upload-Length": "5", "Upload-Defer-Length": "1"}, code="VALIDATION_ERROR"),
    Case("later is 1", 400, {"Upload-Defer-Length": "2"}, code="VALIDATION_ERROR"),
    Case("more than the most", 413, {"Upload-Length": str(2**41)}, code="FILE_TOO_LARGE"),
    Case("more than said", 413, {"Upload-Length": "1", "Content-Type": BYTES}, b"he", code="FILE_TOO_LARGE"),
    Case("bytes of no type", 415, {"Upload-Length": "5"}, b"hello", code="TYPE_NOT_ALLOWED"),
    Case("encoded", 400, {"Upload-Length": "5", "Content-Type": BYTES, "Content-Encoding": "gzip"}, b"hello"),
    Case("unknown query", 400, {"Upload-Length": "5"}, query="?retention_polcy=temporary", code="VALIDATION_ERROR"),
    Case("blocked name", 415, {"Upload-Length": "5", "Upload-Metadata": metadata(filename="a.exe")}),
    Case("concat nonsense", 400, {"Upload-Length": "5", "Upload-Concat": "parallel"}, code="VALIDATION_ERROR"),
]


async def test_refuses_and_leaves_nothing(tus: Tus, rw: ElementProcess) -> None:
    for case in BAD:
        await tus.check(case, "POST", UPLOADS)
    assert rw.files() == []


async def test_all_in_one_request_is_the_file(ingester: Ingester, tus: Tus, rw: ElementProcess) -> None:
    content = b"%PDF-1.7 " + bytes(3 * MIB)
    headers = {
        "Upload-Length": str(len(content)),
        "Content-Type": BYTES,
        "Upload-Metadata": metadata(
            filename="отчёт.pdf",
            filetype="text/html",
            description="Годовой",
            tags='["сканы", "2025"]',
            metadata='{"project": "north"}',
        ),
    }
    answer = await tus.ask("POST", UPLOADS, headers, content)
    assert answer.status_code == 201, answer.text
    path, file = answer.headers["location"], answer.json()
    told = {
        "file_id": id_of(path),
        "original_filename": "отчёт.pdf",
        "content_type": "application/pdf",
        "size": len(content),
        "checksum": sha256(content),
        "uploaded_by": "sa:sa_test_0001",
        "description": "Годовой",
        "tags": ["сканы", "2025"],
        "metadata": {"project": "north"},
        "retention_policy": "permanent",
    }
    assert {name: file[name] for name in told} == told
    assert rw.data() == [content]
    assert ingester.admin.registered == [file | {"storage_element_id": "se-rw-1"}]
    state = await tus.state(path)
    assert (state["status"], state["offset"], state["file"]) == ("complete", len(content), file)
    await until(lambda: [entry["action"] for entry in ingester.admin.audited] == ["file.uploaded"])


async def test_an_empty_file_is_whole_at_once(tus: Tus, rw: ElementProcess) -> None:
    answer = await tus.ask("POST", UPLOADS, {"Upload-Length": "0", **NAMED})
    assert (answer.status_code, answer.json()["size"]) == (201, 0)
    assert await tus.offset(answer.headers["location"]) == 0
    assert rw.data() == [b""]


async def test_the_policy_chooses_the_element(ingester: Ingester, tus: Tus, rw: ElementProcess) -> None:
    edit = ingester.element("se-edit-1", Mode.EDIT)
    said = metadata(filename="a.txt", retention_policy="temporary", ttl_days="7")
    for headers, query in (({"Upload-Metadata": said}, ""), ({}, "?retention_policy=temporary&ttl_days=7")):
        answer = await tus.ask("POST", UPLOADS + query, {"Upload-Length": "0", **headers})
        assert (answer.json()["retention_policy"], answer.json()["ttl_days"]) == ("temporary", 7)
    assert (len(edit.data()), len(rw.data())) == (2, 0)
    contradicting = await tus.ask(
        "POST", f"{UPLOADS}?retention_policy=permanent", {"Upload-Length": "0", "Upload-Metadata": said}
    )
    assert contradicting.status_code == 400


async def test_a_client_that_tells_nothing_gets_a_name(tus: Tus, rw: ElementProcess) -> None:
    answer = await tus.ask("POST", UPLOADS, {"Upload-Length": "2", "Content-Type": BYTES}, b"hi")
    assert (answer.json()["original_filename"], answer.json()["content_type"]) == ("unnamed", "text/plain")
    named = await tus.ask("POST", UPLOADS, {"Upload-Length": "0", "Upload-Metadata": metadata(name="ю.txt")})
    assert named.json()["original_filename"] == "ю.txt"
    assert len(rw.data()) == 2


@pytest.mark.parametrize("status", [503, 409])
async def test_a_registration_that_has_to_wait_is_told(
    ingester: Ingester, tus: Tus, rw: ElementProcess, status: int
) -> None:
    ingester.admin.registry_status = status
    answer = await tus.ask("POST", UPLOADS, {"Upload-Length": "2", "Content-Type": BYTES}, b"hi")
    assert (answer.status_code, answer.json()["registered"]) == (201, False)
    path = await tus.begin(2)
    last = await tus.patch(path, 0, b"hi")
    assert (last.status_code, last.headers["artstore-registered"]) == (204, "false")
    assert len(rw.data()) == 2


async def test_an_element_that_refuses_is_passed_over(ingester: Ingester, tus: Tus) -> None:
    full = ingester.element("se-full", capacity_bytes=1)
    full.available_bytes = 10**12
    good = ingester.element("se-good")
    path = await tus.begin(100)
    assert (full.files(), len(good.files())) == ([], 2)
    assert await tus.offset(path) == 0


async def test_admin_away(ingester: Ingester, tus: Tus, rw: ElementProcess) -> None:
    path = await tus.begin(10)
    ingester.admin.elements_status = 503
    answer = await tus.ask("POST", UPLOADS, {"Upload-Length": "5"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "ADMIN_UNAVAILABLE")
    assert int(answer.headers["retry-after"]) > 0
    assert (await tus.patch(path, 0, b"0123456789")).status_code == 204  # what was begun goes on
    assert rw.data() == [b"0123456789"]
