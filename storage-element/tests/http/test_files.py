"""Storing, finding and listing files."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from artstore_core.ids import new_id
from artstore_transfer import format_digest
from storage_element.disk.filesystem import RealFileSystem, Usage

MIB = 1024 * 1024
HELLO = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


async def test_file_goes_in_and_comes_out(api: Any) -> None:
    file_id = new_id()
    made = await api.put(file_id, b"hello", {"Repr-Digest": format_digest(HELLO)})
    assert made.status_code == 201
    file = made.json()
    assert (file["file_id"], file["size"], file["checksum"]) == (str(file_id), 5, HELLO)
    assert (file["original_filename"], file["tags"], file["metadata"]) == (
        "отчёт.pdf",
        ["invoice"],
        {"project": "north"},
    )
    assert (file["status"], file["retention_policy"], file["expires_at"], file["revision"]) == (
        "active",
        "permanent",
        None,
        1,
    )
    found = await api.client.get(f"/api/v1/files/{file_id}")
    assert (found.status_code, found.json(), found.headers["etag"]) == (200, file, '"1"')
    assert (await api.download(file_id)).content == b"hello"
    assert api.files() == [f"{file_id}.attr.json", f"{file_id}.data"]


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 7])
async def test_every_size_comes_out_as_it_went_in(api: Any, size: int) -> None:
    file_id, data = uuid4(), bytes(range(256)) * (size // 256 + 1)
    assert (await api.put(file_id, data[:size])).status_code == 201
    got = await api.download(file_id)
    assert got.content == data[:size]
    assert got.headers["content-length"] == str(size)


async def test_record_on_disk_is_the_file(api: Any) -> None:
    file_id = uuid4()
    file = (await api.put(file_id, b"hello")).json()
    await api.checkpoint()
    path = next(api.root.rglob("*.attr.json"))
    record = json.loads(path.read_text())
    checksum = record.pop("record_checksum")
    assert record == file | {"schema_version": 1}
    canonical = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert checksum == hashlib.sha256(canonical.encode()).hexdigest()
    assert "отчёт.pdf" in path.read_text()  # for people to read


async def test_same_upload_again_is_the_same_file(api: Any) -> None:
    file_id = uuid4()
    first = await api.put(file_id, b"hello")
    again = await api.put(file_id, b"hello")
    assert (again.status_code, again.json()) == (200, first.json())
    other = await api.put(file_id, b"other")
    assert (other.status_code, other.json()["error"]["code"]) == (409, "CONFLICT")
    assert (await api.download(file_id)).content == b"hello"
    assert len(api.files()) == 2


async def test_two_uploads_of_one_id_at_once_make_one_file(api: Any) -> None:
    file_id = uuid4()
    same = await asyncio.gather(*(api.put(file_id, b"hello" * 1000) for _ in range(5)))
    assert sorted(answer.status_code for answer in same) == [200, 200, 200, 200, 201]
    other_id = uuid4()
    different = await asyncio.gather(*(api.put(other_id, bytes([number]) * 1000) for number in range(5)))
    assert sorted(answer.status_code for answer in different) == [201, 409, 409, 409, 409]
    winner = next(number for number, answer in enumerate(different) if answer.status_code == 201)
    assert (await api.download(other_id)).content == bytes([winner]) * 1000
    assert len(api.files()) == 4


async def test_wrong_digest_is_refused_and_nothing_is_kept(api: Any) -> None:
    answer = await api.put(uuid4(), b"hullo", {"Repr-Digest": format_digest(HELLO)})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "CHECKSUM_MISMATCH")
    assert api.files() == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"original_filename": None}, "original_filename"),
        ({"original_filename": "a\x00b"}, "original_filename"),
        ({"content_type": "nonsense"}, "content_type"),
        ({"uploaded_by": ""}, "uploaded_by"),
        ({"metadata": []}, "metadata"),
        ({"tags": "invoice"}, "tags"),
        ({"retention_policy": "forever"}, "retention_policy"),
        ({"retention_policy": "temporary", "ttl_days": 0}, "ttl_days"),
        ({"retention_policy": "temporary", "ttl_days": 366}, "ttl_days"),
        ({"ttl_days": 5}, "ttl_days"),
        ({"surprise": 1}, "surprise"),
    ],
)
async def test_bad_metadata_is_refused_before_a_byte_is_stored(api: Any, changes: dict[str, Any], field: str) -> None:
    answer = await api.put(uuid4(), b"hello", **changes)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert field in answer.json()["error"]["details"]
    assert api.files() == []


@pytest.mark.parametrize("header", [None, "", "!!!", "e30", base64.urlsafe_b64encode(b"[]").decode(), "_w", "é"])
async def test_unreadable_metadata_is_refused(api: Any, header: str | None) -> None:
    headers = {} if header is None else {"Artstore-Metadata": header.encode("latin-1")}
    answer = await api.client.put(f"/api/v1/files/{uuid4()}", content=b"x", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("bad", ["x", "..", "%2e%2e", "0192", "01920000-0000-7000-8000-00000000000g", "a" * 300])
async def test_bad_ids_name_no_file(api: Any, bad: str) -> None:
    for method, path in (
        ("PUT", f"/api/v1/files/{bad}"),
        ("GET", f"/api/v1/files/{bad}"),
        ("GET", f"/api/v1/files/{bad}/download"),
        ("POST", f"/api/v1/uploads/{bad}"),
        ("DELETE", f"/api/v1/uploads/{bad}"),
    ):
        answer = await api.client.request(method, path)
        assert answer.status_code in (400, 404, 405), (method, path)
        assert "error" in answer.json()
    assert api.files() == []


async def test_unknown_file_is_not_found(api: Any) -> None:
    for path in (f"/api/v1/files/{uuid4()}", f"/api/v1/files/{uuid4()}/download"):
        answer = await api.client.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


async def test_size_limit_holds_before_and_while_streaming(make: Any) -> None:
    api = await make.start(max_upload_bytes=2 * MIB)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(MIB)

    assert (await api.put(uuid4(), bytes(2 * MIB))).status_code == 201
    for body in (bytes(2 * MIB + 1), endless()):
        answer = await api.put(uuid4(), body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "FILE_TOO_LARGE")
    assert len(api.files()) == 2


async def test_capacity_holds_before_and_while_streaming(make: Any) -> None:
    api = await make.start(capacity_bytes=3 * MIB)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield bytes(MIB)

    assert (await api.put(uuid4(), bytes(MIB))).status_code == 201
    for body in (bytes(2 * MIB + 1), chunks()):
        answer = await api.put(uuid4(), body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (507, "STORAGE_FULL")
    assert len(api.files()) == 2
    assert (await api.put(uuid4(), bytes(2 * MIB))).status_code == 201
    info = (await api.client.get("/api/v1/info")).json()
    assert (info["capacity_bytes"], info["used_bytes"], info["available_bytes"]) == (3 * MIB, 3 * MIB, 0)


async def test_full_disk_is_507_whatever_the_capacity_says(make: Any) -> None:
    class Small(RealFileSystem):
        def usage(self, path: Path) -> Usage:  # noqa: ARG002
            return Usage(total=10 * MIB, free=2 * MIB)

    api = await make.start(filesystem=Small(), capacity_bytes=100 * MIB)
    assert (await api.put(uuid4(), bytes(2 * MIB))).status_code == 507
    assert (await api.put(uuid4(), bytes(MIB))).status_code == 201


async def test_expired_file_is_gone_from_its_last_moment_on(make: Any) -> None:
    api = await make.start()
    file_id = uuid4()
    file = (await api.put(file_id, b"hello", retention_policy="temporary", ttl_days=1)).json()
    assert file["ttl_days"] == 1
    api.clock.advance(timedelta(days=1, seconds=-1))
    assert (await api.download(file_id)).status_code == 200
    api.clock.advance(timedelta(seconds=1))
    assert (await api.download(file_id)).status_code == 404
    assert (await api.client.get(f"/api/v1/files/{file_id}")).status_code == 404
    (listed,) = (await api.client.get("/api/v1/files", params={"status": "expired"})).json()["items"]
    assert (listed["file_id"], listed["status"]) == (str(file_id), "expired")
    assert (await api.client.get("/api/v1/files", params={"status": "active"})).json()["total"] == 0


async def test_temporary_without_days_lives_thirty(api: Any) -> None:
    assert (await api.put(uuid4(), b"x", retention_policy="temporary")).json()["ttl_days"] == 30


async def test_copy_keeps_the_time_of_its_original(api: Any) -> None:
    file = (await api.put(uuid4(), b"x", uploaded_at="2026-01-02T03:04:05+03:00")).json()
    assert file["uploaded_at"] == "2026-01-02T00:04:05Z"


async def test_time_after_which_no_days_are_left_is_refused(api: Any) -> None:
    last = "9999-12-31T00:00:00Z"
    for size in (1, 100_000):
        answer = await api.put(uuid4(), b"x" * size, uploaded_at=last, retention_policy="temporary")
        assert (answer.status_code, answer.json()["error"]["details"]) == (400, {"uploaded_at": "is out of range"})
    assert (await api.put(uuid4(), b"x", uploaded_at=last)).status_code == 201
    assert len(api.files()) == 2


async def test_list_has_pages_and_a_walk_by_key(api: Any) -> None:
    ids = sorted(str(new_id()) for _ in range(5))
    for file_id in ids:
        await api.put(UUID(file_id), b"x")

    async def page(**params: Any) -> dict[str, Any]:
        answer = await api.client.get("/api/v1/files", params=params)
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found

    whole = await page()
    assert [file["file_id"] for file in whole["items"]] == ids
    assert (whole["total"], whole["limit"], whole["offset"], whole["has_more"]) == (5, 100, 0, False)
    second = await page(limit=2, offset=2)
    assert [file["file_id"] for file in second["items"]] == ids[2:4]
    assert second["has_more"]
    walked = await page(limit=2, after=ids[2])
    assert ([file["file_id"] for file in walked["items"]], walked["has_more"]) == (ids[3:], False)
    assert (await page(limit=2, after=ids[1]))["has_more"]


@pytest.mark.parametrize(
    "params",
    [
        {"limit": 0},
        {"limit": 1001},
        {"offset": -1},
        {"after": "x"},
        {"status": "x"},
        {"after": str(UUID(int=1)), "offset": 1},
    ],
)
async def test_bad_list_parameters_are_refused(api: Any, params: dict[str, Any]) -> None:
    answer = await api.client.get("/api/v1/files", params=params)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")


async def test_everything_is_there_after_a_restart(make: Any) -> None:
    api = await make.start()
    file_id = uuid4()
    file = (await api.put(file_id, b"hello")).json()
    await make.stop()
    api = await make.start()
    assert (await api.client.get("/api/v1/files")).json()["items"] == [file]
    assert (await api.download(file_id)).content == b"hello"
    assert (await api.client.get("/api/v1/info")).json()["used_bytes"] == 5


async def test_damaged_file_is_409_and_stays_in_the_list(make: Any) -> None:
    api = await make.start()
    file_id = uuid4()

    async def refused_and_listed() -> None:
        answer = await api.download(file_id)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "FILE_DAMAGED")
        (listed,) = (await api.client.get("/api/v1/files")).json()["items"]
        assert listed["file_id"] == str(file_id)

    await api.put(file_id, b"hello")
    await api.checkpoint()
    next(api.root.rglob("*.data")).write_bytes(b"hell")
    await refused_and_listed()
    await make.stop()
    api = await make.start()
    await refused_and_listed()
    for path in api.root.rglob("*.data"):  # unless it is in quarantine by now
        path.unlink()
    await refused_and_listed()


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff" * 10])
async def test_file_whose_record_went_away_is_damaged_and_never_404(make: Any, content: bytes | None) -> None:
    """Whoever keeps a copy takes 404 for deleted."""
    api = await make.start()
    file_id = uuid4()
    file = (await api.put(file_id, b"hello")).json()
    await api.checkpoint()
    path = next(api.root.rglob("*.attr.json"))
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    got = await api.client.get(f"/api/v1/files/{file_id}")
    assert (got.status_code, got.json()) == (200, file | {"status": "damaged"})
    answer = await api.download(file_id)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "FILE_DAMAGED")
    assert (await api.put(file_id, b"other")).status_code == 409


async def test_same_bytes_put_again_heal_a_damaged_file(make: Any) -> None:
    api = await make.start()
    file_id = uuid4()
    file = (await api.put(file_id, b"hello")).json()
    await api.checkpoint()
    next(api.root.rglob("*.attr.json")).unlink()
    healed = await api.put(file_id, b"hello")
    assert (healed.status_code, healed.json()) == (201, file | {"revision": 2})
    assert (await api.download(file_id)).content == b"hello"
    assert (await api.put(file_id, b"hello")).status_code == 200
    await make.stop()
    api = await make.start()
    assert (await api.client.get(f"/api/v1/files/{file_id}")).json() == healed.json()
    assert (await api.download(file_id)).content == b"hello"


async def test_info_needs_no_token(api: Any) -> None:
    del api.client.headers["Authorization"]
    info = (await api.client.get("/api/v1/info")).json()
    assert (info["storage_id"], info["mode"], info["status"]) == ("se-test-1", "edit", "online")
    assert set(info["allowed_operations"]) == {"upload", "update", "delete", "download", "list", "metadata"}
