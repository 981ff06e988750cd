"""Downloads that the gateway fetches from the element itself: only where it can, and only it is told where."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import pytest
from artstore_core.files import File
from artstore_core.ids import new_id
from artstore_core.modes import Mode
from artstore_core.retention import RetentionPolicy
from artstore_testing.postgres import Database
from artstore_testing.tokens import TokenIssuer
from artstore_tickets import FileSubject, Tickets, element_key, route_name
from prometheus_client import CollectorRegistry
from query_service.config import Settings
from query_service.files.contents import HotContents
from query_service.files.download import Asked, Downloads, Elsewhere, Gateway
from query_service.files.hot import Bounds, HotFiles
from query_service.files.lookup import Home, Located
from query_service.metrics import QueryMetrics
from query_support import MASTER_KEY
from stored_support import CONTENT, ELEMENT, Stored, remove, stored_file

ROUTE = route_name(MASTER_KEY, ELEMENT)
OFFERED = {"X-Artstore-Elements": f"aaaaaaaa {ROUTE[:8]}"}
ASKED = "artstore_query_redirects_total"


@pytest.fixture
async def stored(settings: Settings, migrated: Database, issuer: TokenIssuer, tmp_path: Path) -> AsyncIterator[Stored]:
    redirecting = settings.model_copy(update={"redirect": "internal"})
    async with stored_file(redirecting, migrated, issuer, tmp_path / "data", Mode.EDIT) as found:
        yield found


async def followed(stored: Stored, redirect: httpx.Response, **headers: str) -> httpx.Response:
    """As Envoy does it: at the element, without the client's token."""
    parts = urlsplit(redirect.headers["location"])
    assert redirect.status_code == 307
    assert redirect.headers["cache-control"] == "no-store"
    prefix = f"/_element/{ROUTE}"
    assert parts.path.startswith(prefix)
    url = f"{stored.element}{parts.path.removeprefix(prefix)}?{parts.query}"
    async with httpx.AsyncClient() as client:
        return await client.request(redirect.request.method, url, headers=headers)


async def test_the_gateway_is_sent_to_the_element(stored: Stored) -> None:
    redirect = await stored.get(**OFFERED, **{"X-Forwarded-Proto": "https"})

    whole, part = await followed(stored, redirect), await followed(stored, redirect, Range="bytes=1-3")
    proxied = await stored.get()

    assert redirect.headers["location"].startswith("https://")
    assert redirect.content == b""
    assert (whole.status_code, whole.content) == (200, CONTENT)
    assert (part.status_code, part.content) == (206, CONTENT[1:4])
    of_the_way = {"x-request-id", "date", "server"}
    assert {n: v for n, v in whole.headers.items() if n not in of_the_way} == {
        n: v for n, v in proxied.headers.items() if n not in of_the_way
    }
    assert await stored.metric(ASKED) == 1


async def test_head_too(stored: Stored) -> None:
    redirect = await stored.http.head(stored.path, headers=stored.headers | OFFERED)

    answer = await followed(stored, redirect)

    assert (answer.status_code, answer.headers["content-length"]) == (200, str(len(CONTENT)))


async def test_a_links_disposition_stands_in_the_ticket(stored: Stored) -> None:
    url = f"/api/v1/files/{stored.row.file_id}/links"
    link = (await stored.http.post(url, json={"disposition": "attachment"}, headers=stored.headers)).json()["url"]

    parts = urlsplit(link)
    redirect = await stored.http.get(f"{parts.path}?{parts.query}", headers=OFFERED)

    answer = await followed(stored, redirect)
    assert answer.headers["content-disposition"].startswith("attachment")
    assert parse_qs(parts.query)["ticket"][0] not in redirect.headers["location"]


async def test_without_a_route_the_bytes_are_handed_on(stored: Stored) -> None:
    for offered in (None, "", "aaaaaaaa bbbbbbbb", ROUTE[:7], ELEMENT):
        answer = await stored.get(**({} if offered is None else {"X-Artstore-Elements": offered}))

        assert (answer.status_code, answer.content) == (200, CONTENT)
    assert await stored.metric(ASKED) == 0


async def test_a_request_with_a_body_is_not_redirected(stored: Stored) -> None:
    """Envoy would hand such a redirect to the client."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"body"

    for body in (b"body", pieces()):
        answer = await stored.http.request("GET", stored.path, headers=stored.headers | OFFERED, content=body)

        assert (answer.status_code, answer.content) == (200, CONTENT)


async def test_it_is_off_unless_it_is_asked_for(
    settings: Settings, migrated: Database, issuer: TokenIssuer, tmp_path: Path
) -> None:
    async with stored_file(settings, migrated, issuer, tmp_path / "data") as stored:
        answer = await stored.get(**OFFERED)

    assert (answer.status_code, answer.content) == (200, CONTENT)


async def test_nobody_is_redirected_who_may_not_read(stored: Stored) -> None:
    unknown = f"/api/v1/files/{new_id()}/download"

    assert (await stored.http.get(stored.path, headers=OFFERED)).status_code == 401
    assert (await stored.http.get(unknown, headers=stored.headers | OFFERED)).status_code == 404


async def test_a_file_that_is_gone_is_found_out_and_marked(stored: Stored, issuer: TokenIssuer) -> None:
    await remove(stored.element, stored.row, issuer)

    answer = await stored.get(**OFFERED)

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")
    assert await stored.registry.status(stored.row.file_id) == "deleted"
    assert await stored.metric(ASKED) == 0


class Heads:
    """A Source of which nobody may ask more than whether a file is there; and the Shortcut to it. Counts."""

    def __init__(self) -> None:
        self.asked = 0
        self.status, self.headers = 200, dict[str, str]()

    async def open(self, home: Home, asked: Asked) -> Heads:  # noqa: ARG002
        assert asked.method == "HEAD"
        self.asked += 1
        return self

    async def confirm_missing(self, home: Home, file_id: UUID) -> None:  # noqa: ARG002
        raise AssertionError

    async def mark_deleted(self, file_id: UUID, storage_id: str) -> bool:  # noqa: ARG002
        raise AssertionError

    def to(self, home: Home, asked: Asked, gateway: Gateway) -> str | None:  # noqa: ARG002
        return f"http://artstore/{asked.file_id}"

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        yield b""

    async def whole(self, most: int) -> bytes:  # noqa: ARG002
        return b""

    async def close(self) -> None:
        return None


class OneFile:
    """A Registry that has whatever is asked for."""

    async def get(self, file_id: UUID) -> Located | None:
        file = File(
            file_id=file_id,
            original_filename="a.pdf",
            content_type="application/pdf",
            size=1,
            checksum="0" * 64,
            uploaded_by="sa:x",
            uploaded_at=datetime(2026, 1, 1, tzinfo=UTC),
            retention_policy=RetentionPolicy.PERMANENT,
            revision=1,
        )
        return Located(file, Home(ELEMENT, "http://127.0.0.1:1", None))


async def test_an_element_is_asked_once_a_file_while_memory_has_it() -> None:
    metrics, heads, now = QueryMetrics(CollectorRegistry()), Heads(), [0.0]
    hot = HotFiles(OneFile(), Bounds(45, 100, 10**7), metrics, lambda: now[0])
    downloads = Downloads(hot, heads, heads, lambda: datetime.now(UTC), metrics, HotContents(0, 0), heads)
    gateway, one, other = Gateway(ROUTE, "http"), new_id(), new_id()

    async def asked_after(file_id: UUID) -> int:
        found = await downloads.start(Asked(file_id, "GET", {}), gateway)
        assert found == Elsewhere(f"http://artstore/{file_id}")
        return heads.asked

    assert [await asked_after(one) for _ in range(3)] == [1, 1, 1]
    assert [await asked_after(other), await asked_after(one)] == [2, 2]
    hot.forget(one)
    assert [await asked_after(one), await asked_after(other)] == [3, 3]
    now[0] = 46
    assert await asked_after(other) == 4


async def test_an_element_that_is_away_is_503(stored: Stored) -> None:
    await stored.registry.element(ELEMENT, "http://127.0.0.1:1")

    answer = await stored.get(**OFFERED)

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "STORAGE_UNAVAILABLE")
    assert answer.headers["retry-after"]


async def test_the_ticket_is_for_this_file_and_reading_alone(stored: Stored) -> None:
    redirect = await stored.get(**OFFERED)

    ticket = parse_qs(urlsplit(redirect.headers["location"]).query)["ticket"][0]

    found = Tickets(ELEMENT, element_key(MASTER_KEY, ELEMENT)).read(ticket, method="GET")
    assert (found.subject, found.methods) == (FileSubject(stored.row.file_id), frozenset({"GET"}))
    assert ELEMENT not in redirect.headers["location"]
