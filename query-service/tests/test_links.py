"""A link gives one file's bytes to whoever has it, for a while, and tells nobody else (issue: tickets in links)."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from artstore_core.ids import new_id
from artstore_core.modes import Mode
from artstore_testing.postgres import Database
from artstore_testing.tokens import TokenIssuer
from artstore_tickets import FileSubject, Tickets, element_key
from pydantic import SecretStr
from query_service.config import Settings
from query_support import MASTER_KEY, Query, Row, eventually, temporary
from stored_support import CONTENT, ELEMENT, Stored, remove, serving, stored_file

PUBLIC = "https://files.example.test"


@pytest.fixture
async def stored(settings: Settings, migrated: Database, issuer: TokenIssuer, tmp_path: Path) -> AsyncIterator[Stored]:
    public = settings.model_copy(update={"public_url": f"{PUBLIC}/"})
    async with stored_file(public, migrated, issuer, tmp_path / "data", Mode.EDIT) as found:
        yield found


async def made(stored: Stored, **body: Any) -> dict[str, str]:
    url = f"/api/v1/files/{stored.row.file_id}/links"
    answer = await stored.http.post(url, json=body, headers=stored.headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, str] = answer.json()
    assert found.keys() == {"url", "expires_at"}
    return found


def path_of(link: dict[str, str]) -> str:
    """As the gateway asks for it."""
    parts = urlsplit(link["url"])
    assert link["url"].startswith(f"{PUBLIC}/api/v1/links/download?ticket=")
    return f"{parts.path}?{parts.query}"


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


async def test_a_link_opens_the_bytes_without_a_token(stored: Stored) -> None:
    begun = datetime.now(UTC)
    link = await made(stored)
    lasts = datetime.fromisoformat(link["expires_at"]) - begun
    assert timedelta(seconds=595) < lasts <= timedelta(seconds=601)
    answer = await stored.http.get(path_of(link))
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["etag"] == f'"{stored.row.checksum}"'
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "Authorization" not in answer.request.headers
    without_body = await stored.http.post(f"/api/v1/files/{stored.row.file_id}/links", headers=stored.headers)
    assert without_body.status_code == 200


async def test_ranges_conditions_and_head_as_a_download_has_them(stored: Stored) -> None:
    path = path_of(await made(stored))
    part = await stored.http.get(path, headers={"Range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, CONTENT[5:10])
    assert part.headers["content-range"] == f"bytes 5-9/{len(CONTENT)}"
    head = await stored.http.head(path)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(CONTENT)))
    same = await stored.http.get(path, headers={"If-None-Match": f'"{stored.row.checksum}"'})
    assert same.status_code == 304
    assert code(await stored.http.get(path, headers={"Range": f"bytes={len(CONTENT)}-"})) == (416, "INVALID_RANGE")
    assert (await stored.http.post(path)).status_code == 405


@pytest.mark.parametrize("disposition", ["inline", "attachment"])
async def test_the_disposition_is_the_links_own(stored: Stored, disposition: str) -> None:
    path = path_of(await made(stored, disposition=disposition))
    answer = await stored.http.get(f"{path}&disposition=inline")
    assert answer.headers["content-disposition"].startswith(f"{disposition};")


async def test_a_link_ends_when_it_says(stored: Stored) -> None:
    link = await made(stored, expires_in=1)
    assert datetime.fromisoformat(link["expires_at"]) <= datetime.now(UTC) + timedelta(seconds=1)

    async def ended() -> bool:
        return code(await stored.http.get(path_of(link)))[1] == "UNAUTHORIZED" if await refuses() else False

    async def refuses() -> bool:
        return (await stored.http.head(path_of(link))).status_code == 401

    await eventually(ended, 5)


@pytest.mark.parametrize(
    "body", [{"expires_in": 0}, {"expires_in": 601}, {"expires_in": "x"}, {"disposition": "form-data"}, {"a": 1}]
)
async def test_what_cannot_be_honoured_is_refused(query: Query, body: dict[str, Any]) -> None:
    row = Row()
    await query.registry.add(row)
    url = f"/api/v1/files/{row.file_id}/links"
    answer = await query.http.post(url, json=body, headers=query.issuer.bearer())
    assert code(answer) == (400, "VALIDATION_ERROR")


async def test_a_link_needs_files_read(query: Query) -> None:
    row = Row()
    await query.registry.add(row)
    url = f"/api/v1/files/{row.file_id}/links"
    assert (await query.http.post(url)).status_code == 401
    assert (await query.http.post(url, headers=query.issuer.bearer(["files:write"]))).status_code == 403


async def test_there_is_no_link_to_what_is_not_given_out(query: Query) -> None:
    await query.registry.element("se-ar-1", "http://127.0.0.1:2", mode="ar")
    rows = [
        (Row(status="damaged"), 409, "FILE_DAMAGED"),
        (Row(storage_element_id="se-ar-1"), 409, "MODE_NOT_ALLOWED"),
        (Row(status="deleted"), 404, "NOT_FOUND"),
        (temporary("late.pdf", days_left=-1), 404, "NOT_FOUND"),
    ]
    await query.registry.add(*(row for row, _, _ in rows))
    for file_id, status, word in [*((row.file_id, s, w) for row, s, w in rows), (new_id(), 404, "NOT_FOUND")]:
        answer = await query.http.post(f"/api/v1/files/{file_id}/links", headers=query.issuer.bearer())
        assert code(answer) == (status, word)


async def test_a_link_dies_with_its_file(stored: Stored, issuer: TokenIssuer) -> None:
    path = path_of(await made(stored))

    async def after(status: str, expected: tuple[int, str]) -> None:
        await stored.registry.change("UPDATE files SET status = $1 WHERE file_id = $2", status, stored.row.file_id)

        async def seen() -> bool:
            answer = await stored.http.get(path)
            return answer.status_code != 200 and code(answer) == expected

        await eventually(seen, 2)

    await after("damaged", (409, "FILE_DAMAGED"))
    await after("deleted", (404, "NOT_FOUND"))
    await stored.registry.change("UPDATE files SET status = 'active' WHERE file_id = $1", stored.row.file_id)
    await eventually(lambda: _answers(stored, path, 200), 2)
    await remove(stored.element, stored.row, issuer)
    assert code(await stored.http.get(path)) == (404, "NOT_FOUND")
    assert await stored.registry.status(stored.row.file_id) == "deleted"


async def _answers(stored: Stored, path: str, status: int) -> bool:
    return (await stored.http.head(path)).status_code == status


async def test_links_die_with_the_master_key(stored: Stored, settings: Settings) -> None:
    path = path_of(await made(stored))
    other = SecretStr(base64.b64encode(bytes(32)).decode())
    async with serving(settings.model_copy(update={"ticket_master_key": other})) as http:
        answer = await http.get(path)
    assert code(answer) == (401, "UNAUTHORIZED")
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_no_other_ticket_opens_a_link_and_no_link_opens_an_element(stored: Stored) -> None:
    """Whoever holds a link could else go past this service, and an element could make links to others' files."""
    path = path_of(await made(stored))
    ticket = path.partition("ticket=")[2]
    direct = f"{stored.element}/api/v1/files/{stored.row.file_id}/download"
    assert (await stored.http.get(direct, params={"ticket": ticket})).status_code == 401
    for key in (element_key(MASTER_KEY, ELEMENT), element_key(MASTER_KEY, "query")):
        for name in (ELEMENT, "query"):
            forged = Tickets(name, key).issue(FileSubject(stored.row.file_id), ["GET"])
            answer = await stored.http.get("/api/v1/links/download", params={"ticket": forged})
            assert code(answer) == (401, "UNAUTHORIZED")
    for wrong in ("", "x", ticket[:-1], ticket + "A"):
        assert (await stored.http.get("/api/v1/links/download", params={"ticket": wrong})).status_code == 401
    assert code(await stored.http.get("/api/v1/links/download")) == (400, "VALIDATION_ERROR")
    assert code(await stored.http.get("/api/v1/links/download?ticket=" + "A" * 5000)) == (400, "VALIDATION_ERROR")


async def test_a_link_tells_neither_its_maker_nor_the_element(stored: Stored) -> None:
    ticket = path_of(await made(stored)).partition("ticket=")[2]
    readable = base64.urlsafe_b64decode(ticket + "=" * (-len(ticket) % 4))
    assert b"sa_test_0001" not in readable
    assert ELEMENT.encode() not in readable
