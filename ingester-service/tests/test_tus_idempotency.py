"""Resumable uploads begun under an Idempotency-Key (requirement G7)."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from artstore_core.retention import RetentionPolicy
from idempotency_support import Keys, at_element, keyed
from ingester_service.resumable.begun import Begun, Kind
from ingester_service.resumable.ids import id_on
from ingester_service.upload.incoming import Retention
from ingester_support import ElementProcess, Ingester
from tus_support import BYTES, UPLOADS, Tus, id_of, metadata, staged

NAMED = {"Upload-Metadata": metadata(filename="a.txt"), "Upload-Length": "5"}
WITH_BYTES = {**NAMED, "Content-Type": BYTES}


async def begin(tus: Tus, content: bytes | None = None, key: str = "k", **headers: str) -> httpx.Response:
    said = WITH_BYTES if content is not None else NAMED
    return await tus.ask("POST", UPLOADS, {**said, **keyed(key), **headers}, content)


@pytest.fixture
def element(ingester: Ingester, keys: Keys) -> ElementProcess:  # noqa: ARG001  asked for, so that they are kept
    return ingester.element("se-rw-1")


async def test_an_upload_is_begun_once(tus: Tus, element: ElementProcess) -> None:
    answers = await asyncio.gather(*(begin(tus) for _ in range(12)))
    answers += [await begin(tus)]
    assert {answer.status_code for answer in answers} <= {201, 409}
    (path,) = {answer.headers["location"] for answer in answers if answer.status_code == 201}
    assert answers[-1].headers["idempotent-replayed"] == "true"
    assert "tus-resumable" in answers[-1].headers
    assert (await tus.patch(path, 0, b"hello")).status_code == 204
    assert element.data() == [b"hello"]
    after = await begin(tus)
    assert (after.status_code, after.headers["location"], after.json()["file_id"]) == (201, path, id_of(path))
    assert (await begin(tus, key="other")).headers["location"] != path


@pytest.mark.parametrize(
    "change",
    [
        {"Upload-Length": "6"},
        {"Upload-Metadata": metadata(filename="b.txt")},
        {"Upload-Concat": "partial"},
        {"Content-Type": BYTES},
    ],
)
async def test_another_upload_under_the_key_is_refused(
    tus: Tus, element: ElementProcess, change: dict[str, str]
) -> None:
    assert (await begin(tus)).status_code == 201
    before = staged(element)
    answer = await begin(tus, b"he" if "Content-Type" in change else None, **change)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert staged(element) == before


async def test_first_bytes_count_as_well(tus: Tus, element: ElementProcess) -> None:
    first, again, other = [await begin(tus, content) for content in (b"hel", b"hel", b"hey")]
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 422)
    assert again.headers["location"] == first.headers["location"]
    assert (again.headers["upload-offset"], again.headers["idempotent-replayed"]) == ("3", "true")
    assert (await tus.patch(first.headers["location"], 3, b"lo")).status_code == 204
    assert element.data() == [b"hello"]


async def test_a_refused_one_frees_the_key(tus: Tus, element: ElementProcess) -> None:
    blocked = await begin(tus, None, "k", **{"Upload-Metadata": metadata(filename="a.exe")})
    assert blocked.status_code == 415
    assert (await begin(tus)).status_code == 201
    assert element.data() == []


async def test_a_joining_is_one_file_under_its_key(tus: Tus, element: ElementProcess) -> None:
    parts = [await tus.begin(2, Upload_Concat="partial") for _ in range(2)]
    for path in parts:
        assert (await tus.patch(path, 0, b"ab")).status_code == 204
    headers = {"Upload-Concat": f"final;{' '.join(parts)}", "Upload-Metadata": metadata(filename="a.txt"), **keyed()}
    answers = [await tus.ask("POST", UPLOADS, headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201], answers[-1].text
    assert answers[0].json()["file_id"] == answers[1].json()["file_id"]
    assert element.data() == [b"abab"]


def context() -> dict[str, Any]:
    retention = Retention(RetentionPolicy.PERMANENT, None)
    return Begun("sa:sa_test_0001", Kind.WHOLE, retention, NAMED["Upload-Metadata"]).context()


@pytest.mark.parametrize("whole", [True, False])
async def test_what_a_dead_one_began_is_found(
    ingester: Ingester, tus: Tus, keys: Keys, element: ElementProcess, whole: bool
) -> None:
    upload_id = id_on(element.storage_id, await keys.dead("k"))
    async with at_element(ingester, element) as http:
        url = f"{UPLOADS}/{upload_id}"
        assert (await http.post(url, json={"size": 5, "context": context()})).status_code == 201
        await http.patch(url, content=b"hello"[: 5 if whole else 2], headers={"Upload-Offset": "0"})
        if whole:
            new = {"original_filename": "a.txt", "content_type": "text/plain", "uploaded_by": "sa:sa_test_0001"}
            made = {"metadata": {**new, "retention_policy": "permanent"}, "size": 5}
            assert (await http.post(f"{url}/complete", json=made)).status_code == 201
    answers = [await begin(tus, b"hello") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201], answers[0].text
    assert {answer.json()["file_id"] for answer in answers} == {str(upload_id)}
    assert ("idempotent-replayed" in answers[0].headers) is whole
    assert element.data() == [b"hello"]
    assert [file["file_id"] for file in ingester.admin.registered] == [str(upload_id)]
