"""HEAD and GET: where an upload stands, measured from the element."""

from __future__ import annotations

import base64
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
from artstore_core.modes import Mode
from artstore_testing.servers import free_port
from ingester_support import ElementProcess, Ingester, until
from tus_support import BYTES, UPLOADS, Case, Tus, id_of, metadata

NOBODYS = f"{UPLOADS}/0192f3a0-0000-7000-8000-000000000000"


async def test_tells_what_is_there(tus: Tus, rw: ElementProcess) -> None:
    said = metadata(filename="отчёт.pdf", relativePath="a/b") + ",empty"
    path = await tus.begin(10, Upload_Metadata=said)
    await tus.patch(path, 0, b"0123")
    answer = await tus.ask("HEAD", path)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert (answer.headers["upload-offset"], answer.headers["upload-length"]) == ("4", "10")
    assert answer.headers["upload-metadata"] == said
    assert "upload-concat" not in answer.headers
    assert parsedate_to_datetime(answer.headers["upload-expires"]) is not None
    state = await tus.state(path)
    assert {name: state[name] for name in ("upload_id", "status", "kind", "offset", "size", "file")} == {
        "upload_id": id_of(path),
        "status": "uploading",
        "kind": "whole",
        "offset": 4,
        "size": 10,
        "file": None,
    }
    assert state["expires_at"] is not None
    assert rw.data() == []


async def test_length_to_come_and_partial(tus: Tus, rw: ElementProcess) -> None:
    deferred = await tus.ask("HEAD", await tus.begin(None))
    assert (deferred.headers["upload-defer-length"], "upload-length" in deferred.headers) == ("1", False)
    partial = await tus.ask("HEAD", await tus.begin(3, Upload_Concat="partial"))
    assert partial.headers["upload-concat"] == "partial"
    assert len(rw.files()) == 4


async def test_what_became_a_file_is_all_there(tus: Tus, rw: ElementProcess) -> None:
    path = await tus.begin(5, Upload_Metadata=metadata(filename="ю.txt"))
    await tus.patch(path, 0, b"hello")
    answer = await tus.ask("HEAD", path)
    assert (answer.headers["upload-offset"], answer.headers["upload-length"]) == ("5", "5")
    assert base64.b64encode("ю.txt".encode()).decode() in answer.headers["upload-metadata"]
    assert "upload-expires" not in answer.headers
    assert len(rw.data()) == 1


MISSING = [
    Case("nobody's", 404, path=NOBODYS, code="NOT_FOUND"),
    Case("no id at all", 404, path=f"{UPLOADS}/hello", code="NOT_FOUND"),
    Case("an id in braces", 404, path=f"{UPLOADS}/%7B0192f3a0-0000-7000-8000-000000000000%7D", code="NOT_FOUND"),
    Case("no token", 401, {"Authorization": None}, code="UNAUTHORIZED"),
    Case("another version", 412, {"Tus-Resumable": "2.0.0"}, expects={"tus-version": "1.0.0"}),
]


async def test_refusals(ingester: Ingester, tus: Tus, rw: ElementProcess) -> None:
    path = await tus.begin(10)
    for case in MISSING:
        for method in ("HEAD", "GET", "DELETE"):
            await tus.check(case, method, path)
        await tus.check(
            replace(case, headers={"Content-Type": BYTES, "Upload-Offset": "0", **case.headers}), "PATCH", path
        )
    await tus.check(Case("no version", 412, {"Tus-Resumable": None}, expects={"tus-version": "1.0.0"}), "HEAD", path)
    reader = {"Authorization": f"Bearer {ingester.issuer.token(['files:read'])}"}
    await tus.check(Case("a reader", 403, reader, code="FORBIDDEN"), "HEAD", path)
    assert await tus.offset(path) == 0
    assert len(rw.files()) == 2


async def test_somebody_elses_upload_is_not_there(ingester: Ingester, tus: Tus, rw: ElementProcess) -> None:
    other = Tus(ingester, "sa:sa_other")
    begun, finished = await tus.begin(5), await tus.begin(0)
    for path in (begun, finished):
        for method in ("HEAD", "GET", "DELETE"):
            assert (await other.ask(method, path)).status_code == 404
        assert (await other.patch(path, 0, b"stolen")).status_code == 404
    assert await tus.offset(begun) == 0
    assert len(rw.data()) == 1


async def test_an_element_that_is_away_is_no_404(ingester: Ingester, tus: Tus) -> None:
    """A client that hears 404 throws away what it has and begins again."""
    element = ingester.element("se-rw-1")
    path = await tus.begin(5)
    ingester.admin.elements[:] = [replace(element, url=f"http://127.0.0.1:{free_port()}")]
    for answer in (await tus.ask("HEAD", path), await tus.patch(path, 0, b"x"), await tus.ask("DELETE", path)):
        assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (503, True)
    assert (await tus.ask("HEAD", NOBODYS)).status_code == 404
    ingester.admin.elements[:] = [element]
    assert await tus.offset(path) == 0


async def test_an_element_that_a_replica_never_heard_of_is_no_404(ingester: Ingester, tus: Tus) -> None:
    """Admin is away, and the list that this replica has is older than the element."""
    ingester.element("se-rw-1")
    async with httpx.AsyncClient(base_url=ingester.replica(), timeout=30) as http:
        behind = tus.at(http)
        assert (await behind.ask("HEAD", NOBODYS)).status_code == 404
        ingester.admin.elements.clear()
        ingester.element("se-rw-2")
        path = await tus.begin(5)
        ingester.admin.elements_status = 503
        answer = await behind.ask("HEAD", path)
        assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (503, True)
        assert await tus.offset(path) == 0
        ingester.admin.elements_status = 200
        assert await behind.offset(path) == 0


async def test_a_file_that_was_deleted_is_no_upload_either(ingester: Ingester, tus: Tus) -> None:
    ingester.element("se-edit-1", Mode.EDIT)
    path = await tus.begin(0, Upload_Metadata=metadata(filename="a.txt", retention_policy="temporary"))
    assert await tus.offset(path) == 0
    assert (await tus.ask("DELETE", f"/api/v1/files/{id_of(path)}")).status_code == 204
    for method in ("HEAD", "GET", "DELETE"):
        assert (await tus.ask(method, path)).status_code == 404


class TestExpired:
    @pytest.fixture
    def short(self, ingester: Ingester) -> ElementProcess:
        return ingester.element("se-short", Mode.RW, staging_seconds=1.0)

    async def test_it_is_gone_and_so_is_its_room(self, tus: Tus, short: ElementProcess) -> None:
        path = await tus.begin(5)
        await tus.patch(path, 0, b"he")
        await until(lambda: not short.files(), 20)
        headers: dict[str, Any] = {"Content-Type": BYTES, "Upload-Offset": "2"}
        for method in ("HEAD", "GET", "PATCH", "DELETE"):
            assert (await tus.ask(method, path, headers if method == "PATCH" else {})).status_code == 404
