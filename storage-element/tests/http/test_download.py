"""Downloads: the table of artstore_transfer, through the element."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

MIB = 1024 * 1024
DATA = bytes(range(256)) * 8192 + b"tail"  # 2 MiB and a bit


@pytest.fixture
async def file_id(api: Any) -> UUID:
    file_id = uuid4()
    assert (await api.put(file_id, DATA)).status_code == 201
    return file_id


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-1048575", 0, MIB),
        ("bytes=1048570-1048580", MIB - 6, MIB + 5),
        ("bytes=2097152-", 2 * MIB, len(DATA)),
        ("bytes=-4", len(DATA) - 4, len(DATA)),
        ("bytes=5-99999999", 5, len(DATA)),
    ],
)
async def test_range(api: Any, file_id: UUID, asked: str, start: int, stop: int) -> None:
    got = await api.download(file_id, {"Range": asked})
    assert got.status_code == 206
    assert got.content == DATA[start:stop]
    assert got.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(DATA)}"


async def test_range_outside_is_416_in_the_error_form(api: Any, file_id: UUID) -> None:
    got = await api.download(file_id, {"Range": f"bytes={len(DATA)}-"})
    assert (got.status_code, got.json()["error"]["code"]) == (416, "INVALID_RANGE")
    assert got.headers["content-range"] == f"bytes */{len(DATA)}"


async def test_several_ranges_are_the_whole_file(api: Any, file_id: UUID) -> None:
    got = await api.download(file_id, {"Range": "bytes=0-1,5-6"})
    assert (got.status_code, got.content) == (200, DATA)


async def test_client_that_has_it_gets_304(api: Any, file_id: UUID) -> None:
    whole = await api.download(file_id)
    for headers in (
        {"If-None-Match": whole.headers["etag"]},
        {"If-Modified-Since": whole.headers["last-modified"]},
    ):
        got = await api.download(file_id, headers)
        assert (got.status_code, got.content) == (304, b"")
    got = await api.download(file_id, {"If-Match": '"other"'})
    assert (got.status_code, got.json()["error"]["code"]) == (412, "PRECONDITION_FAILED")


async def test_head_is_get_without_the_bytes(api: Any, file_id: UUID) -> None:
    head = await api.client.head(f"/api/v1/files/{file_id}/download")
    got = await api.download(file_id)

    def told(answer: httpx.Response) -> dict[str, str]:
        # Content-Digest is of what goes out, and with HEAD that is nothing (RFC 9530, B.2).
        return {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "content-digest")}

    assert (head.status_code, head.content) == (200, b"")
    assert told(head) == told(got)


async def test_page_cannot_run(api: Any) -> None:
    file_id = uuid4()
    await api.put(file_id, b"<script>alert(1)</script>", content_type="text/html", original_filename="page.html")
    got = await api.client.get(f"/api/v1/files/{file_id}/download", params={"disposition": "inline"})
    assert got.headers["content-disposition"].startswith("attachment;")
    assert got.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert got.headers["x-content-type-options"] == "nosniff"


async def test_client_that_wants_a_file_saved_gets_an_attachment(api: Any, file_id: UUID) -> None:
    got = await api.client.get(f"/api/v1/files/{file_id}/download", params={"disposition": "attachment"})
    assert got.headers["content-disposition"].startswith("attachment;")
    assert (await api.download(file_id)).headers["content-disposition"].startswith("inline;")
