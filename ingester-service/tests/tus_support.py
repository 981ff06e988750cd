"""tus 1.0.0 as its tests write it: a request, and what the answer must be, as one table row."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
from ingester_support import ElementProcess, Ingester

UPLOADS = "/api/v1/uploads"
BYTES = "application/offset+octet-stream"
Content = bytes | AsyncIterator[bytes] | None


def metadata(**values: str) -> str:
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in values.items())


def checksum(content: bytes, algorithm: str = "sha1") -> str:
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, content).digest()).decode()}"


@dataclass(frozen=True)
class Case:
    """`headers` beside Tus-Resumable and Authorization, where None takes one of those out; `expects` of the answer:
    None for a header that must not be there."""

    name: str
    status: int
    headers: Mapping[str, str | None] = field(default_factory=dict)
    body: bytes = b""
    expects: Mapping[str, str | None] = field(default_factory=dict)
    code: str | None = None
    query: str = ""
    path: str = ""
    """Instead of the upload's."""

    def __str__(self) -> str:
        return self.name


class Tus:
    """A client that does what it is told, right or wrong."""

    def __init__(self, ingester: Ingester, subject: str = "sa:sa_test_0001") -> None:
        self._http = ingester.http
        self.headers = {"Tus-Resumable": "1.0.0"} | ingester.issuer.bearer(subject=subject)

    def at(self, http: httpx.AsyncClient) -> Tus:
        """The same client, talking to another replica."""
        other = Tus.__new__(Tus)
        other._http, other.headers = http, self.headers
        return other

    async def ask(
        self, method: str, path: str, headers: Mapping[str, str | None] | None = None, content: Content = None
    ) -> httpx.Response:
        sent = {name: value for name, value in {**self.headers, **(headers or {})}.items() if value is not None}
        return await self._http.request(method, path, headers=sent, content=content)

    async def begin(self, size: int | None, **headers: str) -> str:
        """The path of a new upload."""
        length = {"Upload-Defer-Length": "1"} if size is None else {"Upload-Length": str(size)}
        answer = await self.ask(
            "POST", UPLOADS, length | {name.replace("_", "-"): text for name, text in headers.items()}
        )
        assert answer.status_code == 201, answer.text
        return answer.headers["location"]

    async def patch(self, path: str, offset: int, content: Content, **headers: str) -> httpx.Response:
        sent: dict[str, str | None] = {"Content-Type": BYTES, "Upload-Offset": str(offset)}
        return await self.ask(
            "PATCH", path, sent | {name.replace("_", "-"): text for name, text in headers.items()}, content
        )

    async def offset(self, path: str) -> int:
        answer = await self.ask("HEAD", path)
        assert answer.status_code == 200, answer.status_code
        return int(answer.headers["upload-offset"])

    async def state(self, path: str) -> dict[str, Any]:
        answer = await self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def check(self, case: Case, method: str, path: str) -> httpx.Response:
        answer = await self.ask(method, (case.path or path) + case.query, case.headers, case.body or None)
        assert answer.status_code == case.status, (case.name, answer.status_code, answer.text)
        for name, value in case.expects.items():
            assert answer.headers.get(name) == value, (case.name, name, answer.headers.get(name))
        assert "tus-resumable" in answer.headers
        if case.code is not None and method != "HEAD":
            assert answer.json()["error"]["code"] == case.code, answer.text
        return answer


def id_of(path: str) -> str:
    return str(UUID(path.rpartition("/")[2]))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def staged(element: ElementProcess) -> list[str]:
    """What an unfinished upload left there."""
    return [name for name in element.files() if not name.endswith((".data", ".attr.json"))]
