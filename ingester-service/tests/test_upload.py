"""Uploads from a client's socket to a real element's disk (requirements G1 to G7)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from artstore_core.modes import Mode
from ingester_support import MIB, ElementProcess, Ingester, body, file_part, part, until


def digest(content: bytes) -> str:
    return f"Repr-Digest: sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


async def dripped(content: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


def error_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.fixture
def rw(ingester: Ingester) -> ElementProcess:
    return ingester.element("se-rw-1")


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 5 * MIB + 3])
async def test_what_goes_in_is_on_the_disk_and_in_the_registry(
    ingester: Ingester, rw: ElementProcess, size: int
) -> None:
    content = bytes(range(251)) * (size // 251 + 1)
    content = content[:size]
    answer = await ingester.send(
        body(
            part("description", "Годовой отчёт"),
            part("tags", "сканы"),
            file_part(content, "отчёт.bin", digest(content)),
            part("tags", "2025"),
            part("metadata", '{"project": "north"}'),
        )
    )
    assert answer.status_code == 201, answer.text
    file = answer.json()
    assert (
        file
        | {
            "original_filename": "отчёт.bin",
            "size": size,
            "checksum": hashlib.sha256(content).hexdigest(),
            "uploaded_by": "sa:sa_test_0001",
            "description": "Годовой отчёт",
            "tags": ["сканы", "2025"],
            "metadata": {"project": "north"},
            "status": "active",
            "retention_policy": "permanent",
            "ttl_days": None,
            "expires_at": None,
            "revision": 1,
        }
        == file
    )
    assert answer.headers["location"] == f"/api/v1/files/{file['file_id']}"
    assert rw.data() == [content]
    assert ingester.admin.registered == [file | {"storage_element_id": "se-rw-1"}]


async def test_a_body_in_tiny_chunks_without_a_length_is_the_same(ingester: Ingester, rw: ElementProcess) -> None:
    content = b"\x00\r\n--7d3f2" * 150_000
    answer = await ingester.send(dripped(body(file_part(content), part("description", "x")), 1000))
    assert (answer.status_code, answer.json()["size"]) == (201, len(content))
    assert rw.data() == [content]


async def test_the_policy_chooses_the_element(ingester: Ingester, rw: ElementProcess) -> None:
    edit = ingester.element("se-edit-1", Mode.EDIT)
    first = await ingester.send(body(part("retention_policy", "temporary"), file_part()))
    assert (first.json()["retention_policy"], first.json()["ttl_days"]) == ("temporary", 30)
    second = await ingester.send(body(file_part()), "?retention_policy=temporary&ttl_days=7")
    assert (second.status_code, second.json()["ttl_days"]) == (201, 7)
    both = await ingester.send(body(part("ttl_days", "7"), file_part()), "?retention_policy=temporary&ttl_days=7")
    assert both.status_code == 201
    assert (len(edit.data()), len(rw.data())) == (3, 0)


async def test_a_misspelt_parameter_is_refused_and_not_taken_for_the_default(ingester: Ingester) -> None:
    answer = await ingester.send(body(file_part()), "?retention_polcy=temporary")
    assert error_of(answer) == (400, "VALIDATION_ERROR")
    assert list(answer.json()["error"]["details"]) == ["retention_polcy"]


async def test_a_bad_form_is_refused_and_leaves_nothing(ingester: Ingester, rw: ElementProcess) -> None:
    answer = await ingester.send(body(file_part(), part("metadata", "[]")))
    assert error_of(answer) == (400, "VALIDATION_ERROR")
    assert list(answer.json()["error"]["details"]) == ["metadata"]
    assert rw.files() == []
    assert ingester.admin.registered == []


async def test_fields_after_a_large_file_are_judged_too_and_leave_nothing(
    ingester: Ingester, rw: ElementProcess
) -> None:
    answer = await ingester.send(body(file_part(b"x" * 3 * MIB), part("metadata", "[]")))
    assert error_of(answer) == (400, "VALIDATION_ERROR")
    assert rw.files() == []


@pytest.mark.parametrize("size", [10, 3 * MIB])
async def test_a_damaged_file_is_refused(ingester: Ingester, rw: ElementProcess, size: int) -> None:
    answer = await ingester.send(body(file_part(b"x" * size, "a.pdf", digest(b"y" * size))))
    assert error_of(answer) == (400, "CHECKSUM_MISMATCH")
    assert rw.files() == []


async def test_digests_of_other_algorithms_are_ignored(ingester: Ingester, rw: ElementProcess) -> None:
    answer = await ingester.send(body(file_part(b"x", "a.pdf", "Repr-Digest: sha-512=:AAAA:")))
    assert answer.status_code == 201
    assert len(rw.data()) == 1


@pytest.mark.parametrize("size", [100, 3 * MIB])
async def test_a_truncated_body_is_refused(ingester: Ingester, rw: ElementProcess, size: int) -> None:
    whole = body(file_part(b"x" * size))
    answer = await ingester.send(whole[:-8])
    assert error_of(answer) == (400, "VALIDATION_ERROR")
    assert rw.files() == []


async def test_a_client_that_goes_away_leaves_nothing(ingester: Ingester, rw: ElementProcess) -> None:
    reserved = asyncio.Event()

    async def breaks_off() -> AsyncIterator[bytes]:
        yield body(file_part(b"x" * 4 * MIB))[: 3 * MIB]
        await until(lambda: bool(rw.files()))
        reserved.set()
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        await ingester.send(breaks_off())
    assert reserved.is_set()
    await until(lambda: not rw.files())


async def test_a_token_of_the_right_scope_and_audience_is_needed(ingester: Ingester, rw: ElementProcess) -> None:
    content = body(file_part())
    assert error_of(await ingester.send(content, Authorization="Bearer x")) == (401, "UNAUTHORIZED")
    reader = ingester.issuer.token(["files:read"])
    assert error_of(await ingester.send(content, Authorization=f"Bearer {reader}")) == (403, "FORBIDDEN")
    inside = ingester.issuer.token(audience="urn:artstore:internal")
    assert error_of(await ingester.send(content, Authorization=f"Bearer {inside}")) == (401, "UNAUTHORIZED")
    assert rw.files() == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json"},
        {"Content-Type": "multipart/form-data"},
        {"Content-Type": f"multipart/form-data; boundary={'x' * 300}"},
        {"Content-Type": "multipart/form-data; boundary=other"},
        {"Content-Encoding": "gzip"},
    ],
)
async def test_a_body_that_is_no_form_is_refused(ingester: Ingester, headers: dict[str, str]) -> None:
    assert error_of(await ingester.send(body(file_part()), **headers)) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("filename", "content"),
    [
        ("a.pdf", b"\x7fELF\x02\x01\x01" + b"\0" * 50),
        ("a.txt", b"#!/bin/sh\nrm -rf /\n"),
        ("setup.exe", b"hello"),
        ("photo.png.SCR. ", b"hello"),
        ("invoice\u202efdp.exe", b"hello"),
    ],
)
async def test_programs_are_refused(ingester: Ingester, rw: ElementProcess, filename: str, content: bytes) -> None:
    assert error_of(await ingester.send(body(file_part(content, filename)))) == (415, "TYPE_NOT_ALLOWED")
    assert rw.files() == []


async def test_the_clients_word_for_the_type_does_not_count(ingester: Ingester, rw: ElementProcess) -> None:
    answer = await ingester.send(body(file_part(b"<html><script>", "a.png", "Content-Type: image/png")))
    assert answer.json()["content_type"] == "text/html"
    assert len(rw.data()) == 1


class TestSmallLimits:
    @pytest.fixture
    def limits(self) -> dict[str, Any]:
        return {"max_upload_bytes": 2 * MIB, "idle_seconds": 0.3}

    @pytest.mark.parametrize("announced", [True, False])
    @pytest.mark.parametrize("size", [2 * MIB + 1, 4 * MIB])
    async def test_too_large(self, ingester: Ingester, rw: ElementProcess, size: int, announced: bool) -> None:
        content = body(file_part(b"x" * size))
        answer = await ingester.send(content if announced else dripped(content, 65536))
        assert error_of(answer) == (413, "FILE_TOO_LARGE")
        assert rw.files() == []

    async def test_exactly_at_the_limit(self, ingester: Ingester, rw: ElementProcess) -> None:
        answer = await ingester.send(body(file_part(b"x" * 2 * MIB), part("description", "y" * 1000)))
        assert answer.status_code == 201
        assert len(rw.data()) == 1

    async def test_a_client_that_stops_sending_is_let_go(self, ingester: Ingester, rw: ElementProcess) -> None:
        async def stalls() -> AsyncIterator[bytes]:
            yield body(file_part(b"x" * 4 * MIB))[: MIB + MIB // 2]
            await asyncio.sleep(1)

        answer = await ingester.send(stalls())
        assert error_of(answer) == (400, "VALIDATION_ERROR")
        assert answer.headers["connection"] == "close"
        assert rw.files() == []
