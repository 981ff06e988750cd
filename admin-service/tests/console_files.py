"""What the console's pages about files are tested with: query and render as they answer, without what is behind them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from console_support import Browser
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

PUBLIC = "https://another-name.test"
"""By which services know the gateway, and no visitor has to."""
FILE_ID = "01920000-0000-7000-8000-000000000001"

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


async def raw(visitor: Browser, path: str, **params: str) -> str:
    """A page as it came, nothing unescaped."""
    answer = await visitor.get(path, **params)
    assert answer.status_code == 200, answer.text[:2000]
    return answer.text


def found_file(**about: Any) -> dict[str, Any]:
    """As the search answers."""
    return {
        "file_id": FILE_ID,
        "original_filename": "отчёт.pdf",
        "content_type": "application/pdf",
        "size": 5 * 1024 * 1024,
        "checksum": "0" * 64,
        "uploaded_by": "sa:sa_client_1",
        "uploaded_at": "2026-11-21T12:00:00Z",
        "description": None,
        "tags": [],
        "metadata": {},
        "status": "active",
        "retention_policy": "permanent",
        "ttl_days": None,
        "expires_at": None,
        "revision": 1,
    } | about


def search_answer(*files: dict[str, Any], **about: Any) -> dict[str, Any]:
    return {
        "items": list(files),
        "total": len(files),
        "limit": 50,
        "offset": 0,
        "has_more": False,
        "total_exact": True,
        "ranking_exact": True,
        "facets": {},
        "facets_exact": True,
        "next_cursor": None,
    } | about


def rendition(kind: str, *, ready: bool = True, width: int = 512, page: int | None = None) -> dict[str, Any]:
    name = f"{kind}-{page or 0}-{width}.webp"
    url = f"{PUBLIC}/api/v1/renditions/{FILE_ID}/content/{name}?ticket=t"
    shown = {"id": FILE_ID, "kind": kind, "width": width, "height": width, "url": url, "ready": ready}
    return shown | ({"page": page} if page else {})


def refusal(status: int, code: str, message: str, **details: str) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message, "details": details}}, status)


@dataclass
class StandIn:
    """Answers what it is told to; keeps what it was asked."""

    answer: Any = field(default_factory=search_answer)
    renditions: Any = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    link: str = f"{PUBLIC}/api/v1/links/download?ticket=secret"
    searches: list[dict[str, Any]] = field(default_factory=list)
    links: list[Any] = field(default_factory=list)
    bearers: list[str] = field(default_factory=list)

    @property
    def app(self) -> FastAPI:
        app = FastAPI(openapi_url=None)

        @app.post("/api/v1/search")
        async def search(request: Request) -> Any:
            self.bearers.append(request.headers["authorization"])
            self.searches.append(await request.json())
            return self.answer

        @app.post("/api/v1/files/{file_id}/links")
        async def links(file_id: UUID, request: Request) -> Any:
            self.links.append((str(file_id), await request.json()))
            return {"url": self.link, "expires_at": "2026-11-21T12:10:00Z"}

        @app.get("/api/v1/renditions/{_file_id}")
        async def renditions(_file_id: UUID) -> Any:
            return self.renditions

        @app.get("/api/v1/render-jobs")
        async def jobs() -> Any:
            return {"items": self.jobs, "total": len(self.jobs), "limit": 1, "offset": 0, "has_more": False}

        return app
