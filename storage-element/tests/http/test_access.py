"""Who may not: no token, another's token, too little scope, a ticket for something else; and what a mode forbids."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from artstore_core.modes import Mode
from artstore_core.scopes import INTERNAL_AUDIENCE, PUBLIC_AUDIENCE, Scope, element_audience
from artstore_tickets import FileSubject, Tickets, UploadSubject

OURS = element_audience("se-test-1")
SOME = UUID(int=1)
DOORS = [
    ("PUT", f"/api/v1/files/{SOME}", Scope.FILES_WRITE),
    ("GET", f"/api/v1/files/{SOME}", Scope.FILES_READ),
    ("GET", "/api/v1/files", Scope.STORAGE_READ),
    ("GET", f"/api/v1/files/{SOME}/download", Scope.FILES_READ),
    ("HEAD", f"/api/v1/files/{SOME}/download", Scope.FILES_READ),
    ("POST", f"/api/v1/uploads/{SOME}", Scope.FILES_WRITE),
    ("PATCH", f"/api/v1/uploads/{SOME}", Scope.FILES_WRITE),
    ("HEAD", f"/api/v1/uploads/{SOME}", Scope.FILES_WRITE),
    ("DELETE", f"/api/v1/uploads/{SOME}", Scope.FILES_WRITE),
    ("POST", f"/api/v1/uploads/{SOME}/complete", Scope.FILES_WRITE),
    ("PATCH", f"/api/v1/files/{SOME}", Scope.FILES_WRITE),
    ("DELETE", f"/api/v1/files/{SOME}", Scope.FILES_WRITE),
    ("GET", "/api/v1/changes", Scope.STORAGE_READ),
    ("POST", "/api/v1/mode/transition", Scope.STORAGE_WRITE),
    ("POST", "/api/v1/maintenance/checkpoint", Scope.STORAGE_WRITE),
]


@pytest.mark.parametrize(("method", "path", "scope"), DOORS)
async def test_every_door_is_shut(api: Any, method: str, path: str, scope: Scope) -> None:
    async def status(headers: dict[str, str]) -> int:
        answer = await api.client.request(method, path, headers={"Authorization": ""} | headers)
        if answer.status_code == 401:
            assert answer.headers["www-authenticate"].startswith("Bearer ")
        return int(answer.status_code)

    issuer, all_scopes = api.issuer, tuple(Scope)
    assert await status({}) == 401
    for audience in (PUBLIC_AUDIENCE, INTERNAL_AUDIENCE, element_audience("se-test-2"), element_audience("")):
        assert await status(issuer.bearer(all_scopes, audience=audience)) == 401
    assert await status(issuer.bearer(all_scopes, audience=OURS, lifetime=-60)) == 401
    assert await status(issuer.bearer(set(all_scopes) - {scope}, audience=OURS)) == 403
    assert await status(issuer.bearer([scope], audience=OURS)) not in (401, 403)
    assert api.files() == []


def url(file_id: UUID, ticket: str) -> str:
    return f"/api/v1/files/{file_id}/download?ticket={ticket}"


@pytest.fixture
async def file_id(api: Any) -> UUID:
    file_id = uuid4()
    await api.put(file_id, b"hello")
    del api.client.headers["Authorization"]
    return file_id


async def test_ticket_opens_one_file(api: Any, file_id: UUID) -> None:
    ticket = api.tickets.issue(FileSubject(file_id), ["GET"], disposition="attachment", filename="имя.pdf")
    got = await api.client.get(url(file_id, ticket), headers={"Range": "bytes=1-2"})
    assert (got.status_code, got.content) == (206, b"el")
    assert got.headers["content-disposition"].startswith("attachment;")
    assert "%D0%B8%D0%BC%D1%8F.pdf" in got.headers["content-disposition"]
    assert (await api.client.head(url(file_id, ticket))).status_code == 200
    assert (await api.client.get(f"/api/v1/files/{file_id}?ticket={ticket}")).status_code == 401


async def test_bad_tickets_open_nothing(api: Any, file_id: UUID) -> None:
    tickets = api.tickets
    foreign = Tickets("se-test-1", bytes(32), api.clock)
    short = tickets.issue(FileSubject(file_id), ["GET"], lifetime=timedelta(seconds=5))
    for ticket, status in (
        ("", 401),
        ("nonsense", 401),
        (foreign.issue(FileSubject(file_id), ["GET"]), 401),
        (tickets.issue(FileSubject(uuid4()), ["GET"]), 403),
        (tickets.issue(UploadSubject(file_id), ["GET"]), 403),
        (tickets.issue(FileSubject(file_id), ["PUT"]), 403),
    ):
        assert (await api.client.get(url(file_id, ticket))).status_code == status
    api.clock.advance(timedelta(seconds=5))
    assert (await api.client.get(url(file_id, short))).status_code == 401


async def test_a_good_token_does_not_help_a_bad_ticket(api: Any, file_id: UUID) -> None:
    headers = api.issuer.bearer([Scope.FILES_READ], audience=OURS)
    assert (await api.client.get(url(file_id, "nonsense"), headers=headers)).status_code == 401


@pytest.mark.parametrize(
    ("mode", "upload", "download"),
    [(Mode.EDIT, 201, 200), (Mode.RW, 201, 200), (Mode.RO, 409, 200), (Mode.AR, 409, 409)],
)
async def test_mode_is_kept_on_the_disk_and_enforced(
    make: Any, root: Path, mode: Mode, upload: int, download: int
) -> None:
    api = await make.start()
    file_id = uuid4()
    await api.put(file_id, b"hello")
    await make.stop()
    (root / "mode.json").write_text(f'{{"mode": "{mode}"}}')
    api = await make.start()
    put = await api.put(uuid4(), b"x")
    assert put.status_code == upload
    if upload == 409:
        assert put.json()["error"]["code"] == "MODE_NOT_ALLOWED"
    assert (await api.begin(uuid4(), 5)).status_code == upload
    assert (await api.download(file_id)).status_code == download
    assert (await api.client.get(f"/api/v1/files/{file_id}")).status_code == 200
    assert (await api.client.get("/api/v1/files")).status_code == 200
    assert (await api.client.get("/api/v1/info")).json()["mode"] == mode
