"""A small ArtStore on a real socket: just enough of api.md, and able to fail in every way that a client must survive."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import uuid
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote_plus

from anyio.to_thread import run_sync
from artstore_client import Config, RetryPolicy
from artstore_testing.servers import running_app
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

CLIENT_ID, SECRET = "sa_test_1", "s3cret:with%odd+signs"
QUICK = RetryPolicy(base_seconds=0.01, cap_seconds=0.02)


@dataclass
class Stand:
    """What the server knows and what it will do wrong. `canned` answers come first, by "METHOD /path"."""

    url: str = ""
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    content: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    forms: list[list[tuple[str, str]]] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    canned: defaultdict[str, deque[Response]] = field(default_factory=lambda: defaultdict(deque))
    breaks: deque[int] = field(default_factory=deque)
    """Each download answer ends the connection after so many bytes, while there are numbers left."""
    stall: tuple[threading.Event, threading.Event] | None = None
    """A download sets the first after some bytes and waits for the second."""
    lost_uploads: int = 0
    """So many uploads are stored, and the connection ends without an answer."""
    keyed: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Files by Idempotency-Key."""
    corrupt: bool = False
    ranges: bool = True
    keep_content: bool = True
    most_offset: int = 100_000
    tokens: set[str] = field(default_factory=set)
    tokens_made: int = 0
    expires_in: int = 900

    def config(self, **changes: Any) -> Config:
        values: dict[str, Any] = {"client_id": CLIENT_ID, "client_secret": SECRET, "retry": QUICK, **changes}
        return Config(url=self.url, **values)

    def environment(self) -> dict[str, str]:
        return {
            "ARTSTORE_URL": self.url,
            "ARTSTORE_CLIENT_ID": CLIENT_ID,
            "ARTSTORE_CLIENT_SECRET": SECRET,
        }

    def put(self, content: bytes, name: str = "file.bin", **fields: Any) -> str:
        return str(self._keep(name, len(content), hashlib.sha256(content).hexdigest(), content, fields)["file_id"])

    def asked(self, line: str) -> list[dict[str, str]]:
        """The headers of all requests with this method and path."""
        return [headers for seen, headers in self.requests if seen == line]

    def _keep(self, name: str, size: int, checksum: str, content: bytes, fields: dict[str, Any]) -> dict[str, Any]:
        file_id = str(uuid.uuid4())
        self.content[file_id] = content
        self.files[file_id] = {
            "file_id": file_id,
            "original_filename": name,
            "content_type": "application/octet-stream",
            "size": size,
            "checksum": checksum,
            "uploaded_by": f"sa:{CLIENT_ID}",
            "uploaded_at": "2026-11-21T12:00:00Z",
            "description": None,
            "tags": [],
            "metadata": {},
            "status": "active",
            "retention_policy": "permanent",
            "ttl_days": None,
            "expires_at": None,
            "revision": 1,
            **fields,
        }
        return self.files[file_id]

    async def token(self, request: Request) -> Response:
        kind, _, pair = request.headers.get("authorization", "").partition(" ")
        client_id, _, secret = base64.b64decode(pair).decode().partition(":")
        form = await request.form()
        known = (unquote_plus(client_id), unquote_plus(secret)) == (CLIENT_ID, SECRET)
        if kind != "Basic" or not known or form.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "invalid_client", "error_description": "unknown client"}, 401)
        self.tokens_made += 1
        claims = json.dumps({"sub": f"sa:{CLIENT_ID}", "n": self.tokens_made}).encode()
        token = f"e30.{base64.urlsafe_b64encode(claims).rstrip(b'=').decode()}.x"
        self.tokens.add(token)
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": self.expires_in}
        return JSONResponse({**answer, "scope": "files:read files:write"})

    async def upload(self, request: Request) -> Response:
        async with request.form() as form:
            items = form.multi_items()
            self.forms.append([(key, value) for key, value in items if isinstance(value, str)])
            position, part = next((i, v) for i, (_, v) in enumerate(items) if isinstance(v, UploadFile))
            assert all(key not in ("retention_policy", "ttl_days") for key, _ in items[position:])
            hashed, kept = hashlib.sha256(), bytearray()
            while piece := await part.read(1 << 20):
                hashed.update(piece)
                if self.keep_content:
                    kept += piece
            self.bodies.append(part.headers)
            digest = base64.b64encode(hashed.digest()).decode()
            if part.headers.get("repr-digest", f"sha-256=:{digest}:") != f"sha-256=:{digest}:":
                return problem(400, "CHECKSUM_MISMATCH", "the bytes differ from their digest")
            checksum = "0" * 64 if self.corrupt else hashed.hexdigest()
            fields = {"tags": json.loads(str(form.get("tags", "[]"))), "description": form.get("description")}
            name, size = part.filename or "", part.size or 0
        key = request.headers["idempotency-key"]
        if key not in self.keyed:
            self.keyed[key] = self._keep(name, size, checksum, bytes(kept), fields)
        if self.lost_uploads:
            self.lost_uploads -= 1
            return StreamingResponse(self._lost(), 201, {"Content-Length": "1000"})
        return JSONResponse(self.keyed[key], 201)

    async def _lost(self) -> AsyncIterator[bytes]:
        yield b"{"
        raise ConnectionResetError("the stand breaks the connection here")

    async def search(self, request: Request) -> Response:
        body = await request.json()
        self.bodies.append(body)
        if body["offset"] > self.most_offset:
            return problem(400, "VALIDATION_ERROR", "The request is not valid")
        hits = [f for f in self.files.values() if (body.get("query") or "") in f["original_filename"]]
        start = int(body.get("cursor") or body["offset"])
        page = hits[start:][: body["limit"]]
        more = start + len(page) < len(hits)
        shape = {"limit": body["limit"], "offset": body["offset"], "has_more": more}
        shape["next_cursor"] = str(start + len(page)) if more else None
        return JSONResponse({"items": page, "total": len(hits), **shape, "total_exact": True})

    async def info(self, request: Request) -> Response:
        found = self.files.get(request.path_params["file_id"])
        return JSONResponse(found) if found else problem(404, "NOT_FOUND", "no such file")

    async def download(self, request: Request) -> Response:
        found = self.files.get(request.path_params["file_id"])
        if not found:
            return problem(404, "NOT_FOUND", "no such file")
        content, etag = self.content[found["file_id"]], f'"{found["checksum"]}"'
        if self.corrupt:
            content = content[:-1] + bytes([content[-1] ^ 1])
        start, status = 0, 200
        match = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
        if match and self.ranges and request.headers.get("if-range", etag) == etag:
            start, status = int(match[1]), 206
        headers = {
            "ETag": etag,
            "Content-Length": str(len(content) - start),
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found['original_filename'], safe='')}",
        }
        if status == 206:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return StreamingResponse(self._pour(content[start:]), status, headers)

    async def _pour(self, content: bytes) -> AsyncIterator[bytes]:
        until = self.breaks.popleft() if self.breaks else None
        for at in range(0, len(content) if until is None else until, 65536):
            yield content[at : at + 65536][: None if until is None else until - at]
            if self.stall and at > 2_000_000:
                served, goes_on = self.stall
                served.set()
                await run_sync(goes_on.wait, 30)
        if until is not None:
            raise ConnectionResetError("the stand breaks the connection here")

    async def front(self, request: Request) -> Response:
        """Every request: noted, then a canned answer, the token check, the real answer."""
        line = f"{request.method} {request.url.path}"
        self.requests.append((line, dict(request.headers)))
        if self.canned[line]:
            await request.body()
            return self.canned[line].popleft()
        if request.url.path == "/api/v1/auth/token":
            return await self.token(request)
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return problem(401, "UNAUTHORIZED", "the token is not valid")
        handlers = {"upload": self.upload, "search": self.search, "download": self.download}
        return await handlers.get(request.url.path.rpartition("/")[2], self.info)(request)


def problem(status: int, code: str, message: str, **headers: str) -> Response:
    body = {"error": {"code": code, "message": message, "request_id": "req-1"}}
    return JSONResponse(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


@contextmanager
def running_stand() -> Iterator[Stand]:
    stand = Stand()
    app = Starlette(
        routes=[
            Route("/api/v1/files/upload", stand.front, methods=["POST"]),
            Route("/api/v1/files/{file_id}", stand.front, methods=["GET", "DELETE"]),
            Route("/api/v1/files/{file_id}/download", stand.front),
            Route("/api/v1/{rest:path}", stand.front, methods=["GET", "POST"]),
        ]
    )
    with running_app(app) as stand.url:
        yield stand
