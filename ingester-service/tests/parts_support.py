"""A client of signed parts, whose urls are followed to the elements without a gateway."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from random import Random
from typing import Any
from urllib.parse import urlsplit

import httpx
from artstore_tickets import route_name
from ingester_support import MASTER_KEY, Ingester

UPLOADS = "/api/v1/uploads"
PART = 16 * 1024 * 1024
CONTENT = b"%PDF-1.7\n" + Random(3).randbytes(PART + 100_000)
PARTS = [CONTENT[offset : offset + PART] for offset in range(0, len(CONTENT), PART)]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


SENT = [{"part_number": number, "etag": f'"{sha256(part)}"'} for number, part in enumerate(PARTS, start=1)]


class PartsClient:
    """Does what it is told, right or wrong."""

    def __init__(self, ingester: Ingester, subject: str = "sa:sa_test_0001") -> None:
        self._ingester, self._http = ingester, ingester.http
        self.headers = ingester.issuer.bearer(subject=subject)

    def at(self, http: httpx.AsyncClient) -> PartsClient:
        """The same client, talking to another replica."""
        other = PartsClient.__new__(PartsClient)
        other._ingester, other._http, other.headers = self._ingester, http, self.headers
        return other

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        sent = self.headers | {name.replace("_", "-"): text for name, text in headers.items()}
        return await self._http.request(method, UPLOADS + path, json=body, headers=sent)

    async def begin(self, filename: str = "a.pdf", size: int = len(CONTENT), **more: Any) -> str:
        """The upload's id."""
        answer = await self.ask("POST", "", {"filename": filename, "size": size, **more})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["upload_id"])

    async def urls(self, upload_id: str, *numbers: int, **more: Any) -> list[str]:
        answer = await self.ask("POST", f"/{upload_id}/parts", {"part_numbers": numbers, **more})
        assert answer.status_code == 200, answer.text
        return [part["url"] for part in answer.json()["parts"]]

    async def put(self, url: str, content: bytes) -> httpx.Response:
        """As the gateway would pass it on."""
        parts = urlsplit(url)
        _, short, route, path = parts.path.split("/", 3)
        assert short == "_element"
        (element,) = [one for one in self._ingester.admin.elements if route_name(MASTER_KEY, one.storage_id) == route]
        async with httpx.AsyncClient(timeout=60) as client:
            return await client.put(f"{element.url}/{path}?{parts.query}", content=content)

    async def send(self, upload_id: str, contents: Sequence[bytes] = PARTS) -> None:
        """All parts, the last one first, beside each other."""
        urls = await self.urls(upload_id, *range(1, len(contents) + 1))
        answers = await asyncio.gather(*map(self.put, reversed(urls), reversed(contents)))
        assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]

    async def complete(self, upload_id: str, sent: Any = None, **more: Any) -> httpx.Response:
        headers = {name: more.pop(name) for name in ("Idempotency_Key",) if name in more}
        body = {"parts": SENT if sent is None else sent, **more}
        return await self.ask("POST", f"/{upload_id}/complete", body, **headers)

    async def state(self, upload_id: str) -> dict[str, Any]:
        answer = await self.ask("GET", f"/{upload_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def details(answer: httpx.Response) -> dict[str, str]:
    found: dict[str, str] = answer.json()["error"]["details"]
    return found
