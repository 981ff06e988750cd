"""Previews in the making, in the console (requirements C4, C5). The render-service is a stand-in that answers as it does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import jwt
import pytest
from admin_service.config import Settings
from artstore_testing.servers import running_app
from console_support import Browser
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

FILE = "01920000-0000-7000-8000-00000000000{}"
JOB = "01930000-0000-7000-8000-00000000000{}"
HOSTILE = "<img src=x onerror=alert(1)>\"'&{{7*7}} 100%"


def job(number: int, state: str = "ready", **fields: Any) -> dict[str, Any]:
    return {
        "id": JOB.format(number), "file_id": FILE.format(number), "state": state, "media": "pdf", "priority": 10,
        "attempts": 1, "done": 0, "total": None, "progress": None, "reason": None, "permanent": False, "technical": {},
        "created_at": "2026-11-20T10:00:00Z", "updated_at": "2026-11-20T10:05:00Z",
    } | fields  # fmt: skip


class Render:
    """`jobs` as they are asked for; `wanted` are files whose previews were ordered."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.wanted: list[str] = []
        self.away = False
        self.knows_the_key = True
        self.app = FastAPI()
        self._routes()

    def put(self, *jobs: dict[str, Any]) -> None:
        self.jobs = {one["id"]: one for one in jobs}

    def refusal(self, request: Request, scope: str) -> JSONResponse | None:
        token = request.headers["authorization"].removeprefix("Bearer ")
        if not self.knows_the_key:
            refused = answer(401, "UNAUTHORIZED", "The access token was refused: unknown key")
            refused.headers["WWW-Authenticate"] = 'Bearer realm="artstore", error="invalid_token"'
            return refused
        if self.away:
            return answer(503, "STORAGE_UNAVAILABLE", "The database is away")
        if scope not in jwt.decode(token, options={"verify_signature": False})["scope"].split():
            return answer(403, "FORBIDDEN", f"This needs the scope {scope}")
        return None

    def _routes(self) -> None:
        @self.app.get("/api/v1/render-jobs")
        def listed(request: Request, limit: int, offset: int, state: str = "", file_id: str = "") -> Any:
            if state not in ("", "waiting", "converting", "ready", "failed"):
                return answer(400, "VALIDATION_ERROR", "The request is not valid", state="Input should be one of those")
            hits = [
                one for one in self.jobs.values() if state in ("", one["state"]) and file_id in ("", one["file_id"])
            ]
            page = {"items": hits[offset : offset + limit], "total": len(hits), "limit": limit, "offset": offset}
            return self.refusal(request, "files:read") or page | {"has_more": offset + limit < len(hits)}

        @self.app.post("/api/v1/render-jobs")
        async def order(request: Request) -> Any:
            file_id = (await request.json())["file_id"]
            if refused := self.refusal(request, "files:write"):
                return refused
            if not _is_uuid(file_id):
                return answer(400, "VALIDATION_ERROR", "The request is not valid", file_id="must be a UUID")
            self.wanted.append(file_id)
            return JSONResponse(job(1, "waiting"), 202)

        @self.app.get("/api/v1/render-jobs/{job_id}")
        def one(request: Request, job_id: str) -> Any:
            found = self.jobs.get(job_id) or answer(404, "NOT_FOUND", "There is no such job")
            return self.refusal(request, "files:read") or found

        @self.app.post("/api/v1/render-jobs/{job_id}/retry")
        def retry(request: Request, job_id: str) -> Any:
            if refused := self.refusal(request, "files:write"):
                return refused
            if self.jobs[job_id]["state"] != "failed":
                return answer(409, "CONFLICT", "Only a job that has failed can be retried")
            self.jobs[job_id] |= {"state": "waiting"}
            return JSONResponse(self.jobs[job_id], 202)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def answer(status: int, code: str, message: str, **details: str) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message, "details": details}}, status)


@pytest.fixture
def render() -> Render:
    return Render()


@pytest.fixture
def settings(settings: Settings, render: Render) -> Iterator[Settings]:
    with running_app(render.app) as url:
        yield settings.model_copy(update={"render_url": url})


async def test_how_every_job_stands(visitor: Browser, render: Render) -> None:
    assert "They are made by themselves" in await visitor.page("render-jobs")
    render.put(
        job(1, "converting", done=3, total=12),
        job(2, "failed", reason="password-protected document", permanent=True, attempts=5),
        job(3, "waiting", media="video"),
        job(4),
    )
    text = await visitor.page("render-jobs")
    assert '<progress max="12" value="3"' in text
    assert "3 of 12" in text
    assert "password-protected document" in text
    assert "Another try would fail in the same way." in text
    assert text.count(">Retry</button>") == 1
    assert f'href="/admin/files/{FILE.format(4)}"' in text
    visitor.http.cookies.set("artstore_language", "ru", path="/admin")
    assert "документ защищён паролем" in await visitor.page("render-jobs")


async def test_filters_and_pages(visitor: Browser, render: Render) -> None:
    render.put(job(1, "failed", reason="x"), job(2))
    dead = await visitor.page("render-jobs", state="failed")
    assert FILE.format(1) in dead
    assert FILE.format(2) not in dead
    assert FILE.format(2) in await visitor.page("render-jobs", file_id=f" {FILE.format(2)} ")
    render.put(*(job(number) | {"id": str(number), "file_id": f"file-{number:02}"} for number in range(60)))
    assert "file-59" not in await visitor.page("render-jobs")
    assert "file-59" in await visitor.page("render-jobs", offset="50")
    assert "Nothing has failed." in await visitor.page("render-jobs", state="failed")
    odd = await visitor.get("render-jobs", state="odd")
    assert (odd.status_code, "The request is not valid" in odd.text) == (400, True)


async def test_what_is_under_way_is_asked_for_again_and_keeps_no_visit_open(visitor: Browser, render: Render) -> None:
    render.put(job(1, "waiting"))
    address = re.search(r'id="results"[^>]* hx-get="([^"]+)"[^>]*every 5s[^>]*X-Watching', await visitor.page("render-jobs", state="waiting"))  # fmt: skip
    assert address
    render.put(job(1))
    part = (await visitor.http.get(address[1], headers={"HX-Request": "true", "X-Watching": "1"})).text
    assert part.lstrip().startswith('<div id="results"')
    assert "every 5s" not in part


async def test_retry(visitor: Browser, render: Render) -> None:
    render.put(job(1, "failed", reason="x"), job(2))
    path = f"render-jobs/{JOB.format(1)}"
    sent = await visitor.send(f"{path}/retry", {"state": "failed"}, form="render-jobs")
    assert sent.headers["location"] == "/admin/render-jobs?state=failed"
    assert "The preview is made once more." in await visitor.page("render-jobs")
    assert render.jobs[JOB.format(1)]["state"] == "waiting"
    again = await visitor.send(f"{path}/retry", form="password")
    assert again.status_code == 409
    assert "Only a job that has failed can be retried" in again.text


async def test_one_job_with_all_that_is_known(visitor: Browser, render: Render) -> None:
    render.put(job(1, "failed", reason="damaged image", permanent=True, technical={"страниц": 5, "title": "Отчёт"}))
    text = await visitor.page(f"render-jobs/{JOB.format(1)}")
    for words in ("damaged image", "the file itself is the cause", "страниц", "Отчёт", ">Retry</button>"):
        assert words in text
    assert (await visitor.get(f"render-jobs/{JOB.format(9)}")).status_code == 404


async def test_previews_of_a_file_are_ordered(visitor: Browser, render: Render) -> None:
    render.put(job(1, "waiting"))
    sent = await visitor.send("render-jobs", {"file_id": FILE.format(1)})
    assert sent.headers["location"] == f"/admin/render-jobs/{JOB.format(1)}"
    assert render.wanted == [FILE.format(1)]
    wrong = await visitor.send("render-jobs", {"file_id": "nothing"})
    assert wrong.status_code == 400
    assert 'class="reason">must be a UUID' in wrong.text


async def test_a_reader_sees_all_and_changes_nothing(reader: Browser, render: Render) -> None:
    render.put(job(1, "failed", reason="x"))
    path = f"render-jobs/{JOB.format(1)}"
    for page in ("render-jobs", path):
        text = await reader.page(page)
        assert FILE.format(1) in text
        assert "Retry</button>" not in text
        assert "Make them" not in text
    for target, fields in (("render-jobs", {"file_id": FILE.format(1)}), (f"{path}/retry", {})):
        refused = await reader.send(target, fields, form="password")
        assert refused.status_code == 403
        assert "This needs the scope files:write" in refused.text
    assert render.jobs[JOB.format(1)]["state"] == "failed"


async def test_a_service_that_is_away_is_said_on_the_page(visitor: Browser, render: Render) -> None:
    render.away = True
    away = await visitor.get("render-jobs")
    assert away.status_code == 503
    assert "The database is away" in away.text


async def test_a_service_that_does_not_know_the_new_key_yet_sends_nobody_in_circles(
    visitor: Browser, render: Render
) -> None:
    render.knows_the_key = False
    answer = await visitor.get("render-jobs")
    assert answer.status_code == 502
    assert "does not know your sign-in yet" in answer.text
    await visitor.page("users")


async def test_hostile_text_is_only_text(visitor: Browser, render: Render) -> None:
    render.put(job(1, "failed", reason=HOSTILE, media=HOSTILE, technical={HOSTILE: HOSTILE, "n": [HOSTILE]}))
    for path in ("render-jobs", f"render-jobs/{JOB.format(1)}"):
        text = (await visitor.get(path)).text
        assert "<img" not in text
        assert "{{7*7}} 100%" in text
