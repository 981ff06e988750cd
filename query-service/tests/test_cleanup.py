"""A file that its element has no more is marked deleted; one that cannot be seen now is not (requirement Q4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from artstore_core.ids import new_id
from artstore_core.modes import Mode
from artstore_testing.postgres import Database
from artstore_testing.servers import free_port, running_app
from artstore_testing.tokens import TokenIssuer
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from query_service.config import Settings
from query_support import Row, running_element, until
from stored_support import CONTENT, ELEMENT, Stored, remove, row_of, store, stored_file


@pytest.fixture
async def stored(settings: Settings, migrated: Database, issuer: TokenIssuer, tmp_path: Path) -> AsyncIterator[Stored]:
    """On an element where files may be deleted."""
    async with stored_file(settings, migrated, issuer, tmp_path / "data", Mode.EDIT) as found:
        yield found


@contextmanager
def saying(status: int, storage_id: str | None, *, ours: bool = True) -> Iterator[str]:
    """A server that answers everything alike, and calls itself `storage_id`."""
    app = FastAPI()

    @app.get("/api/v1/info")
    async def info() -> JSONResponse:
        described: dict[str, Any] = {
            "storage_id": storage_id, "mode": "rw", "version": "1", "capacity_bytes": 1, "used_bytes": 0,
            "available_bytes": 1, "allowed_operations": [],
        }  # fmt: skip
        return JSONResponse(described if storage_id else {}, 200 if storage_id else 503)

    @app.get("/{path:path}")
    @app.head("/{path:path}")
    async def anything(path: str) -> JSONResponse:
        return JSONResponse({"error": {"code": "NOT_FOUND", "message": path}} if ours else {"detail": "?"}, status)

    with running_app(app) as url:
        yield url


async def refused(stored: Stored, status: int = 503, code: str = "STORAGE_UNAVAILABLE") -> None:
    """Nothing comes out, and nothing is changed."""
    answer = await stored.get()
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert ("retry-after" in answer.headers) == (status == 503)
    head = await stored.http.head(stored.path, headers=stored.headers)
    assert head.status_code == status
    assert await stored.registry.status(stored.row.file_id) == "active"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_file_deleted_on_its_element_is_marked_and_gone(
    stored: Stored, issuer: TokenIssuer, method: str
) -> None:
    assert (await stored.get()).content == CONTENT
    await remove(stored.element, stored.row, issuer)
    answer = await stored.http.request(method, stored.path, headers=stored.headers)
    assert answer.status_code == 404
    assert await stored.registry.status(stored.row.file_id) == "deleted"
    assert await stored.metric("artstore_query_marked_deleted_total") == 1
    assert (await stored.get()).json()["error"]["code"] == "NOT_FOUND"
    described = await stored.http.get(f"/api/v1/files/{stored.row.file_id}", headers=stored.headers)
    assert described.status_code == 404
    assert (await stored.http.post("/api/v1/search", json={}, headers=stored.headers)).json()["total"] == 0
    assert await stored.metric("artstore_query_marked_deleted_total") == 1


async def test_a_disk_without_its_marker_deletes_nothing(stored: Stored, tmp_path: Path) -> None:
    marker = tmp_path / "data" / "artstore-element.json"
    content = marker.read_bytes()
    marker.unlink()
    # The element looks for its marker once a second.
    await until(lambda: httpx.get(f"{stored.element}/health/ready").status_code != 200)
    await refused(stored)
    marker.write_bytes(content)


async def test_an_element_that_is_away_deletes_nothing(stored: Stored) -> None:
    await stored.registry.element(ELEMENT, f"http://127.0.0.1:{free_port()}")
    await refused(stored)


async def test_another_element_at_its_url_deletes_nothing(stored: Stored, issuer: TokenIssuer, tmp_path: Path) -> None:
    with running_element("se-rw-2", tmp_path / "other", issuer) as url:
        await stored.registry.element(ELEMENT, url)
        await refused(stored, 502, "UPSTREAM_FAILED")


@pytest.mark.parametrize(
    ("status", "storage_id", "ours"),
    [
        (404, "se-rw-2", True),  # another one, that would even say our words
        (404, None, True),  # it does not say who it is
        (404, None, False),  # a proxy that has lost the way
        (404, ELEMENT, False),  # the same, and the element is behind it after all
        (503, ELEMENT, True),
    ],
)
async def test_what_is_not_this_element_or_not_its_words_deletes_nothing(
    stored: Stored, status: int, storage_id: str | None, ours: bool
) -> None:
    with saying(status, storage_id, ours=ours) as url:
        await stored.registry.element(ELEMENT, url)
        await refused(stored)


async def test_the_element_on_another_disk_deletes_nothing(stored: Stored) -> None:
    lost = Row()
    await stored.registry.add(lost)
    await stored.registry.change("UPDATE storage_elements SET synced_epoch = $1", uuid4())
    answer = await stored.http.get(f"/api/v1/files/{lost.file_id}/download", headers=stored.headers)
    assert answer.status_code == 503
    assert await stored.registry.status(lost.file_id) == "active"
    # Admin has walked over that disk: now the element's word counts.
    info = (await stored.http.get(f"{stored.element}/api/v1/info")).json()
    await stored.registry.change("UPDATE storage_elements SET synced_epoch = $1", info["epoch"])
    answer = await stored.http.get(f"/api/v1/files/{lost.file_id}/download", headers=stored.headers)
    assert answer.status_code == 404
    assert await stored.registry.status(lost.file_id) == "deleted"


async def test_a_file_that_moved_comes_from_where_it_is(stored: Stored, issuer: TokenIssuer, tmp_path: Path) -> None:
    """Memory still knows the old place, whose element says 404."""
    with running_element("se-rw-2", tmp_path / "other", issuer) as url:
        await stored.registry.element("se-rw-2", url)
        assert (await stored.get()).status_code == 200
        moved = row_of("отчёт.pdf", storage_id="se-rw-2")
        moved.file_id = stored.row.file_id
        await store(url, moved, issuer)
        await remove(stored.element, stored.row, issuer)
        await stored.registry.change(
            "UPDATE files SET storage_element_id = 'se-rw-2' WHERE file_id = $1", stored.row.file_id
        )
        answer = await stored.get()
        assert (answer.status_code, answer.content) == (200, CONTENT)
        assert await stored.registry.status(stored.row.file_id) == "active"


async def test_an_id_that_nobody_knows_is_404_and_asks_no_element(stored: Stored) -> None:
    answer = await stored.http.get(f"/api/v1/files/{new_id()}/download", headers=stored.headers)
    assert answer.status_code == 404
    assert await stored.metric("artstore_query_marked_deleted_total") == 0


async def test_many_who_ask_for_a_file_that_is_gone_all_hear_404(stored: Stored, issuer: TokenIssuer) -> None:
    await remove(stored.element, stored.row, issuer)
    answers = await asyncio.gather(*(stored.get() for _ in range(10)))
    assert {answer.status_code for answer in answers} == {404}
    assert await stored.metric("artstore_query_marked_deleted_total") == 1
