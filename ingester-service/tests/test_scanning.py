"""Files are scanned by a real clamd before anyone can see them, whichever way they come in (requirement U5)."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from clamd_support import EICAR, SIGNATURE, ClamdProcess
from ingester_service.upload.scanning import TooLarge
from ingester_support import MIB, ElementProcess, Ingester, body, file_part, until
from parts_support import PartsClient
from test_tus_concat import filled, join
from tus_support import BYTES, UPLOADS, Tus, metadata, sha256, staged

LARGE = os.urandom(2 * MIB)
LIMIT = 6 * MIB
Way = Callable[[Ingester, Tus, bytes], Coroutine[Any, Any, httpx.Response]]


@pytest.fixture(scope="module")
def clamd() -> Iterator[ClamdProcess]:
    with TemporaryDirectory(prefix="clamd-") as directory:
        process = ClamdProcess(Path(directory), settings={"StreamMaxLength": LIMIT})
        process.start()
        try:
            yield process
        finally:
            process.stop()


@pytest.fixture
def limits(clamd: ClamdProcess) -> dict[str, Any]:
    return {"clamd_address": clamd.address}


async def by_form(ingester: Ingester, _tus: Tus, content: bytes) -> httpx.Response:
    return await ingester.send(body(file_part(content, "ю.bin")))


async def by_form_of_unknown_length(ingester: Ingester, _tus: Tus, content: bytes) -> httpx.Response:
    async def chunks() -> AsyncIterator[bytes]:
        yield body(file_part(content, "ю.bin"))

    return await ingester.send(chunks())


async def by_patches(_ingester: Ingester, tus: Tus, content: bytes) -> httpx.Response:
    path = await tus.begin(len(content), Upload_Metadata=metadata(filename="ю.bin"))
    half = len(content) // 2
    assert (await tus.patch(path, 0, content[:half])).status_code == 204
    return await tus.patch(path, half, content[half:])


async def by_creation(_ingester: Ingester, tus: Tus, content: bytes) -> httpx.Response:
    said = {"Upload-Length": str(len(content)), "Upload-Metadata": metadata(filename="ю.bin"), "Content-Type": BYTES}
    return await tus.ask("POST", UPLOADS, said, content)


async def by_concatenation(_ingester: Ingester, tus: Tus, content: bytes) -> httpx.Response:
    """What is found lies in no part by itself."""
    cut = len(content) - 20
    return await join(tus, [await filled(tus, content[:cut]), await filled(tus, content[cut:])], filename="ю.bin")


async def by_parts(ingester: Ingester, _tus: Tus, content: bytes) -> httpx.Response:
    client = PartsClient(ingester)
    upload_id = await client.begin("ю.bin", len(content))
    await client.send(upload_id, [content])
    return await client.complete(upload_id, [{"part_number": 1, "etag": f'"{sha256(content)}"'}])


WAYS = [by_form, by_form_of_unknown_length, by_patches, by_creation, by_concatenation, by_parts]
RESUMABLE = (by_patches, by_concatenation, by_parts)


async def test_infected_files_are_refused_and_nothing_of_them_stays(
    ingester: Ingester, tus: Tus, rw: ElementProcess
) -> None:
    for way, content in itertools.product(WAYS, (EICAR, LARGE + EICAR)):
        answer = await way(ingester, tus, content)
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (422, "INFECTED"), way
        assert error["details"] == {"file": f"{SIGNATURE} was found in it"}
        assert (rw.files(), ingester.admin.registered) == ([], []), way
        await until(lambda: bool(ingester.admin.audited), 60)
        entry = ingester.admin.audited.pop()
        assert (entry["action"], entry["outcome"], entry["actor"]) == ("file.infected", "denied", "sa:sa_test_0001")
        assert entry["details"] == {"filename": "ю.bin", "size": len(content), "signature": SIGNATURE}
        assert (entry["address"], entry["request_id"]) == ("127.0.0.1", answer.headers["x-request-id"])
    assert f'artstore_scans_total{{result="infected"}} {2 * len(WAYS)}.0' in (await ingester.http.get("/metrics")).text


async def test_clean_files_come_in(ingester: Ingester, tus: Tus, rw: ElementProcess) -> None:
    for way, content in itertools.product(WAYS, (b"hello, this is clean", LARGE)):
        assert (await way(ingester, tus, content)).is_success, way
    assert sorted(rw.data(), key=len) == [b"hello, this is clean"] * len(WAYS) + [LARGE] * len(WAYS)
    assert f'artstore_scans_total{{result="clean"}} {2 * len(WAYS)}.0' in (await ingester.http.get("/metrics")).text


async def test_empty_files_come_in(ingester: Ingester, tus: Tus, rw: ElementProcess) -> None:
    assert (await ingester.send(body(file_part(b"", "a.txt")))).status_code == 201
    assert (await tus.ask("POST", UPLOADS, {"Upload-Length": "0"})).status_code == 201
    assert rw.data() == [b"", b""]


async def test_files_beyond_the_stream_limit_are_refused(ingester: Ingester, tus: Tus, rw: ElementProcess) -> None:
    for way in WAYS:
        answer = await way(ingester, tus, LARGE * 4)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "FILE_TOO_LARGE"), way
        assert (rw.files(), ingester.admin.registered) == ([], []), way
    await until(lambda: len(ingester.admin.audited) == len(WAYS), 60)
    told = {(entry["action"], entry["outcome"]) for entry in ingester.admin.audited}
    assert told == {("file.not_scanned", "denied")}


class TestAdmitting:
    @pytest.fixture
    def limits(self, clamd: ClamdProcess) -> dict[str, Any]:
        return {"clamd_address": clamd.address, "clamd_too_large": TooLarge.ADMIT}

    async def test_files_beyond_the_stream_limit_are_admitted_and_the_audit_log_says_so(
        self, ingester: Ingester, tus: Tus, rw: ElementProcess
    ) -> None:
        for way in (by_form, by_patches):
            assert (await way(ingester, tus, LARGE * 4)).is_success
        assert rw.data() == [LARGE * 4] * 2
        await until(lambda: len(ingester.admin.audited) == 4, 60)
        told = [one for one in ingester.admin.audited if one["action"] == "file.not_scanned"]
        assert [(one["outcome"], one["details"]["signature"]) for one in told] == [("done", "StreamMaxLength")] * 2

    async def test_infected_file_is_not(self, ingester: Ingester, tus: Tus, rw: ElementProcess) -> None:
        assert (await by_form(ingester, tus, EICAR)).status_code == 422
        assert rw.files() == []


class TestAway:
    """A clamd that nobody has started yet, and that comes later."""

    @pytest.fixture
    def away(self) -> Iterator[ClamdProcess]:
        with TemporaryDirectory(prefix="clamd-") as directory:
            process = ClamdProcess(Path(directory))
            yield process
            process.stop()

    @pytest.fixture
    def limits(self, away: ClamdProcess) -> dict[str, Any]:
        return {"clamd_address": away.address}

    async def test_it_is_503_and_nothing_is_visible(self, ingester: Ingester, tus: Tus, rw: ElementProcess) -> None:
        for way, content in itertools.product(WAYS, (b"hello", LARGE)):
            before = staged(rw)
            answer = await way(ingester, tus, content)
            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (503, "STORAGE_UNAVAILABLE"), way
            assert error["details"] == {"scanner": "does not answer"}
            assert int(answer.headers["retry-after"]) > 0
            assert (rw.data(), ingester.admin.registered) == ([], [])
            assert (staged(rw) != before) is (way in RESUMABLE), way
        assert (
            f'artstore_scans_total{{result="unavailable"}} {2 * len(WAYS)}.0'
            in (await ingester.http.get("/metrics")).text
        )

    async def test_upload_is_finished_once_it_is_back(self, tus: Tus, rw: ElementProcess, away: ClamdProcess) -> None:
        path = await tus.begin(len(LARGE), Upload_Metadata=metadata(filename="a.bin"))
        assert (await tus.patch(path, 0, LARGE)).status_code == 503
        assert (await tus.ask("HEAD", path)).status_code == 503
        assert (await tus.state(path))["status"] == "uploading"
        away.start()
        assert await tus.offset(path) == len(LARGE)
        state = await tus.state(path)
        assert (state["status"], state["file"]["checksum"]) == ("complete", sha256(LARGE))
        assert rw.data() == [LARGE]

    async def test_upload_that_waited_and_is_infected_is_refused_all_the_same(
        self, ingester: Ingester, tus: Tus, rw: ElementProcess, away: ClamdProcess
    ) -> None:
        parts = [await filled(tus, LARGE), await filled(tus, EICAR)]
        assert (await join(tus, parts, filename="a.bin")).status_code == 503
        away.start()
        answer = await join(tus, parts, filename="a.bin")
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "INFECTED")
        assert (rw.files(), ingester.admin.registered) == ([], [])

    async def test_parts_are_completed_once_it_is_back(
        self, ingester: Ingester, rw: ElementProcess, away: ClamdProcess
    ) -> None:
        client, sent = PartsClient(ingester), [{"part_number": 1, "etag": f'"{sha256(LARGE)}"'}]
        upload_id = await client.begin("a.bin", len(LARGE))
        await client.send(upload_id, [LARGE])
        assert (await client.complete(upload_id, sent)).status_code == 503
        away.start()
        assert (await client.complete(upload_id, sent)).status_code == 201
        assert rw.data() == [LARGE]

    async def test_readiness_says_so(self, ingester: Ingester, away: ClamdProcess) -> None:
        ready = (await ingester.http.get("/health/ready")).json()
        assert ready["dependencies"]["clamd"]["status"] == "degraded"
        away.start()

        for _ in range(600):  # an answer is kept for a second
            ready = (await ingester.http.get("/health/ready")).json()
            if ready["dependencies"]["clamd"]["status"] == "ok":
                return
            await asyncio.sleep(0.1)
        raise AssertionError("clamd is there, and readiness does not say so")


class TestOff:
    @pytest.fixture
    def limits(self) -> dict[str, Any]:
        return {}

    async def test_nothing_is_scanned(self, ingester: Ingester, rw: ElementProcess) -> None:
        assert (await ingester.send(body(file_part(EICAR, "a.txt")))).status_code == 201
        assert rw.data() == [EICAR]
        assert "clamd" not in (await ingester.http.get("/health/ready")).json()["dependencies"]
