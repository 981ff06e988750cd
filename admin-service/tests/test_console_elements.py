"""Storage elements in the console: what operators see of them and do with them, and what readers may not (C2, C5)."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from admin_elements import Element
from admin_people import ADMIN_PASSWORD, PASSWORD, USERS, MovedClock, People
from admin_service.console.assets import Assets
from admin_service.console.pages import Pages
from artstore_core.errors import Conflict
from artstore_core.ids import new_id
from artstore_core.modes import Mode
from console_support import Browser, browser
from element_world import World
from starlette.requests import Request

HTMX = {"HX-Request": "true", "X-Watching": "1"}
HOSTILE = "<img src=x onerror=alert(1)>\"'%s</dd>{{ 7*7 }}"


@pytest.fixture
async def operator(world: World) -> AsyncIterator[Browser]:
    async with browser(world.admin.http) as one:
        await one.sign_in("admin", ADMIN_PASSWORD)
        yield one


@pytest.fixture
async def reader(world: World) -> AsyncIterator[Browser]:
    body = {"username": "reader", "password": PASSWORD, "role": "readonly"}
    assert (await world.ask("POST", USERS, json=body)).status_code == 201
    async with browser(world.admin.http) as one:
        await one.sign_in("reader", PASSWORD)
        yield one


def below(element: Element, rest: str = "") -> str:
    return f"elements/{element.storage_id}{rest}"


async def part(one: Browser, path: str, **params: str) -> str:
    """What HTMX gets."""
    answer = await one.http.get(f"/admin/{path}", params=params, headers=HTMX)
    assert answer.status_code == 200, answer.text
    return answer.text


def was_of(text: str) -> str:
    found = re.search(r'name="was" value="([^"]*)"', text)
    assert found is not None
    return found[1]


async def test_the_list_with_its_filters_and_for_htmx_the_table_alone(world: World, operator: Browser) -> None:
    element = await world.registered(mode=Mode.RO)
    text = await operator.page("elements")
    assert "3 storage elements" in text
    assert 'href="/admin/elements/se-new-1"' in text
    assert "never yet" in text
    online = await operator.page("elements", status="online", mode="ro")
    assert "1 storage element<" in online
    assert element.storage_id in online
    assert "se-rw-1" not in online
    assert '<option value="ro" selected>' in online
    assert "Take a filter away" in await operator.page("elements", mode="ar")
    refused = await operator.get("elements", mode="<b>")
    assert refused.status_code == 400
    assert "<b>" not in refused.text
    assert "VALIDATION_ERROR" in refused.text
    text = await part(operator, "elements", status="offline")
    assert "<html" not in text
    assert "2 storage elements" in text
    back = await operator.http.get("/admin/elements", headers=HTMX | {"HX-History-Restore-Request": "true"})
    assert "<html" in back.text


async def test_discover_preview_register_and_why_a_url_leads_nowhere(world: World, operator: Browser) -> None:
    element = world.element()
    assert "See who answers" in await operator.page("elements/_new")
    seen = await operator.send("elements/_new", {"url": f" {element.url} ", "do": "discover"})
    assert seen.status_code == 200
    assert "se-new-1" in seen.text
    assert "Register it" in seen.text
    assert "no such" in (await operator.get(below(element))).text
    fields = {"url": element.url, "do": "register", "description": "Стойка 7"}
    answer = await operator.send("elements/_new", fields)
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/elements/se-new-1")
    text = await operator.page(below(element))
    assert "The storage element is registered." in text
    assert "Стойка 7" in text
    again = await operator.send("elements/_new", {"url": element.url, "do": "discover"})
    assert "registered already" in again.text
    assert "Register it" not in again.text
    answer = await operator.send("elements/_new", fields)
    assert answer.status_code == 409
    assert "registered already" in answer.text
    for url, status, words in (
        ("http://127.0.0.1:1", 400, "must be https://host"),
        ("https://169.254.169.254", 400, "its address is not one that may be called"),
        (HOSTILE, 400, "must be https://host"),
        ("https://127.0.0.1:1", 503, "STORAGE_UNAVAILABLE"),
    ):
        answer = await operator.send("elements/_new", {"url": url, "do": "discover"})
        assert answer.status_code == status
        assert words in answer.text
        assert 'id="url"' in answer.text
        assert "<img" not in answer.text


async def test_an_edit_and_what_is_wrong_with_it(world: World, operator: Browser) -> None:
    element, other = await world.registered(), world.element("se-other-1")
    same = {"url": element.url, "description": "Новое место"}
    assert (await operator.send(below(element, "/edit"), same)).headers["location"] == "/admin/elements/se-new-1"
    assert "Новое место" in await operator.page(below(element))
    answer = await operator.send(below(element, "/edit"), {"url": "ftp://x", "description": "Другое"})
    assert answer.status_code == 400
    assert 'value="ftp://x"' in answer.text
    assert "Другое" in answer.text
    assert 'aria-invalid="true"' in answer.text
    answer = await operator.send(below(element, "/edit"), {"url": other.url, "description": ""})
    assert answer.status_code == 409
    assert "Another storage element answers there" in answer.text
    assert "Новое место" in await operator.page(below(element))
    assert (await operator.send(below(element, "/edit"), same | {"description": ""})).status_code == 303
    assert "Новое место" not in await operator.page(below(element))


async def test_forgetting_asks_first_and_says_what_force_does(world: World, operator: Browser) -> None:
    element = await world.registered()
    await world.file_on(element)
    assert "leave the registry" in await operator.page(below(element, "/delete"))
    answer = await operator.send(below(element, "/delete"))
    assert answer.status_code == 409
    assert "or force it" in answer.text
    answer = await operator.send(below(element, "/delete"), {"force": "yes"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/elements")
    text = await operator.page("elements")
    assert "Its files stay where they are." in text
    assert "se-new-1" not in text
    assert (await operator.get(below(element))).status_code == 404


async def test_a_mode_is_changed_step_by_step_and_asks_before_what_stays(world: World, operator: Browser) -> None:
    element = await world.registered(mode=Mode.RW)
    mode = below(element, "/mode")
    text = await operator.page(mode)
    assert "to=ro" in text
    assert "to=ar" not in text
    assert 'name="target_mode"' not in await operator.page(mode, to="ar")
    assert "It can be taken back" in await operator.page(mode, to="ro")
    answer = await operator.send(mode, {"target_mode": "ro"}, form="password")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/admin/{below(element)}")
    assert "The mode is changed." in await operator.page(below(element))
    answer = await operator.send(mode, {"target_mode": "rw"}, form="password")
    assert answer.status_code == 409
    assert "CONFIRMATION_REQUIRED" in answer.text
    assert (await operator.send(mode, {"target_mode": "rw", "confirm": "yes"}, form="password")).status_code == 303
    answer = await operator.send(mode, {"target_mode": "ar", "confirm": "yes"}, form="password")
    assert answer.status_code == 409
    assert "INVALID_TRANSITION" in answer.text
    await operator.send(mode, {"target_mode": "ro"}, form="password")
    assert "This cannot be taken back." in await operator.page(mode, to="ar")
    assert (await operator.send(mode, {"target_mode": "ar"}, form="password")).status_code == 303
    text = await operator.page(mode)
    assert "its mode changes no more" in text
    assert "to=rw" not in text
    assert (await operator.send(mode, {"target_mode": HOSTILE}, form="password")).status_code == 400


async def synced(world: World, storage_id: str) -> dict[str, Any]:
    """The latest sync, once none runs."""
    async with asyncio.timeout(30):
        while True:
            latest: dict[str, Any] = (await world.ask("GET", f"/api/v1/storage-elements/{storage_id}/syncs")).json()
            if latest["items"] and latest["items"][0]["status"] != "running":
                return dict(latest["items"][0])


async def test_sync_now_its_history_and_a_page_that_watched_it(world: World, operator: Browser) -> None:
    element = await world.registered()
    element.put()
    await synced(world, element.storage_id)
    answer = await operator.send(below(element, "/sync"), {"full": "yes"}, form=below(element))
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/elements/se-new-1")
    latest = await synced(world, element.storage_id)
    assert (latest["kind"], latest["reason"], latest["requested_by"]) == ("full", "manual", "user:admin")
    text = await operator.page(below(element))
    assert "The sync has begun." in text
    assert "all files, asked for" in text
    assert "user:admin" in text
    history = await operator.page(below(element, "/syncs"))
    assert "2 syncs" in history
    assert "newly registered" in history
    async with world.admin.store.transaction() as rows:
        again = "UPDATE syncs SET status = 'running', ended_at = NULL, files_read = 1200 WHERE id = $1"
        await rows.elements._connection.exec_driver_sql(again, (UUID(latest["id"]),))
    text = await part(operator, below(element))
    assert "Runs: 1,200 files read" in text
    assert was_of(text) == latest["id"]
    assert "hx-swap-oob" not in await part(operator, below(element), was=latest["id"])
    async with world.admin.store.transaction() as rows:
        ended = "UPDATE syncs SET status = 'succeeded', ended_at = now() WHERE id = $1"
        await rows.elements._connection.exec_driver_sql(ended, (UUID(latest["id"]),))
    text = await part(operator, below(element), was=latest["id"])
    assert "<html" not in text
    assert 'id="said" hx-swap-oob' in text
    assert "The sync is done." in text
    assert was_of(text) == ""
    assert "The sync is done." not in await part(operator, below(element), was="")
    assert "The sync is done." not in await part(operator, below(element), was=str(new_id()))


async def test_a_sync_that_failed_says_why_and_what_to_do(world: World, operator: Browser) -> None:
    answer = await operator.send("elements/se-rw-1/sync", form="elements/se-rw-1")
    assert answer.status_code == 303
    why = (await synced(world, "se-rw-1"))["error"]
    text = await operator.page("elements/se-rw-1")
    assert "The last sync failed" in text
    assert f"<strong>{why}</strong>" in text
    assert "tried again on schedule" in text
    operator.http.cookies.set("artstore_language", "ru", path="/admin")
    text = await operator.page("elements/se-rw-1")
    assert "Последняя синхронизация не удалась" in text
    assert why not in text
    operator.http.cookies.set("artstore_language", "en", path="/admin")
    answer = await operator.send("elements/se-rw-1/edit", {"url": "https://127.0.0.1:1", "description": "Чинят"})
    assert answer.status_code == 303
    text = await operator.page("elements/se-rw-1")
    assert "Чинят" in text
    assert "It is offline" in text
    assert "known to it alone" in await operator.page("elements/se-rw-1/checks")
    assert "never reached" in await operator.page("elements/se-rw-1/mode")


async def test_a_sync_that_left_files_out_names_them(world: World, operator: Browser) -> None:
    element, other = await world.registered(), await world.registered("se-other-1")
    for one in (element, other):
        await synced(world, one.storage_id)
    file = element.put()
    await world.register_file(other, file)
    await operator.send(below(element, "/sync"), {"full": "yes"}, form=below(element))
    await synced(world, element.storage_id)
    assert "1 file is registered on another element" in await operator.page(below(element))
    history = await operator.page(below(element, "/syncs"))
    assert file["file_id"] in history
    assert 'href="/admin/elements/se-other-1"' in history


async def test_checks_are_begun_and_what_they_found_is_told(world: World, operator: Browser) -> None:
    element = await world.registered(mode=Mode.EDIT)
    assert "its mode never changes" in await operator.page(below(element, "/mode"))
    file = await world.file_on(element)
    assert "never run" in await operator.page(below(element, "/checks"))
    file_id = str(file["file_id"])
    element.ask("POST", "/api/v1/maintenance/checkpoint")
    next(element.root.glob(f"files/*/{file_id}.data")).write_bytes(b"HELLO")
    (element.root / "files" / file_id[-3:] / "<b>strange").touch()
    for name, fields in (("scrub", {}), ("reconcile", {"checksums": "yes"})):
        answer = await operator.send(below(element, f"/{name}"), fields, form=below(element, "/checks"))
        assert (answer.status_code, answer.headers["location"]) == (303, "/admin/elements/se-new-1/checks"), name
        async with asyncio.timeout(30):
            while name in was_of(text := await part(operator, below(element, "/checks"), was=name)).split():
                continue
        assert 'id="said" hx-swap-oob' in text
    text = (await operator.get(below(element, "/checks"))).text
    assert "Files are damaged" in text
    assert f'href="/admin/files/{file_id}"' in text
    assert "another checksum" in text
    assert "<b>strange" not in text
    assert "&lt;b&gt;strange" in text
    brief = await part(operator, below(element, "/checks"), brief="1")
    assert "All that was found" in brief
    assert "strange" not in brief


async def test_a_check_that_was_stopped_says_how_far_and_one_nobody_can_ask_of_says_so(
    world: World, operator: Browser, unused_tcp_port: int
) -> None:
    element = await world.registered()
    began = datetime.now(UTC).isoformat()
    state = {"state": "stopped", "started_at": began, "position": 1024, "files": 7, "bytes": 2048}
    (element.root / "maintenance").mkdir(exist_ok=True)
    (element.root / "maintenance" / "scrub.json").write_text(json.dumps(state))
    text = await operator.page(below(element, "/checks"))
    assert "stopped" in text
    assert "25% done" in text
    assert "7 files, 2 KiB" in text
    assert was_of(text) == ""
    await world.move_away(element, unused_tcp_port)
    text = await operator.page(below(element, "/checks"))
    assert text.count("STORAGE_UNAVAILABLE") == 1
    answer = await operator.send(below(element, "/scrub"), form="password")
    assert answer.status_code == 503
    assert "STORAGE_UNAVAILABLE" in answer.text
    assert "Try again in" in answer.text


async def test_hostile_words_are_only_shown_and_hostile_requests_refused(world: World, operator: Browser) -> None:
    element = await world.registered()
    fields = {"url": element.url, "description": HOSTILE}
    assert (await operator.send(below(element, "/edit"), fields)).status_code == 303
    for path in ("elements", below(element), below(element, "/edit")):
        text = (await operator.get(path)).text
        assert "<img" not in text, path
        assert "49" not in re.sub(r"\d\d+", "", text) or "{{ 7*7 }}" in text
        assert "&lt;img src=x" in text, path
    await world.file_on(element, original_filename=HOSTILE)
    text = (await operator.get(below(element, "/files"))).text
    assert "1 file" in text
    assert "<img" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in text
    assert "No file is registered" in await operator.page(below(element, "/files"), status="damaged")
    refused = await operator.get(below(element, "/files"), status="<b>")
    assert refused.status_code == 400
    long = await operator.send(below(element, "/edit"), fields | {"description": "<b>%(x)s" * 200})
    assert long.status_code == 400
    assert "<b>" not in long.text
    for path in ("elements/UPPER", "elements/a%3Fb", "elements/-x-/mode", "elements/a%2F..%2Fb", "elements/no-such"):
        assert (await operator.get(path)).status_code in (400, 404)
    for rest in ("/edit", "/delete", "/mode", "/sync", "/scrub", "/reconcile"):
        answer = await operator.http.post(f"/admin/{below(element, rest)}", data={"force": "yes", "target_mode": "ro"})
        assert answer.status_code == 403, rest
    assert (await operator.http.post("/admin/elements/_new", data={"url": element.url})).status_code == 403


async def test_a_reader_sees_all_and_changes_nothing(world: World, reader: Browser) -> None:
    element = await world.registered(mode=Mode.RW)
    offered = ("/_new", "/edit", "/delete", "/sync", "/scrub", "/reconcile", "to=ro")
    for path in ("elements", *(below(element, rest) for rest in ("", "/syncs", "/checks", "/files", "/mode"))):
        text = await reader.page(path)
        for action in offered:
            assert f'{action}"' not in text, (path, action)
    for path in ("elements/_new", below(element, "/edit"), below(element, "/delete")):
        text = await reader.page(path)
        assert "Your account may look" in text
        assert f'action="/admin/{path}"' not in text
    before = await world.audit()
    for path, fields in (
        ("elements/_new", {"url": element.url, "do": "discover"}),
        ("elements/_new", {"url": element.url, "do": "register"}),
        (below(element, "/edit"), {"url": element.url, "description": "x"}),
        (below(element, "/delete"), {"force": "yes"}),
        (below(element, "/mode"), {"target_mode": "ro", "confirm": "yes"}),
        (below(element, "/sync"), {}),
        (below(element, "/scrub"), {}),
        (below(element, "/reconcile"), {}),
    ):
        answer = await reader.send(path, fields, form="password")
        assert answer.status_code == 403, path
        assert "FORBIDDEN" in answer.text
    assert await world.audit() == before


async def test_a_page_that_looks_by_itself_keeps_no_visit_from_ending(people: People, clock: MovedClock) -> None:
    async with browser(people.http) as one:
        await one.sign_in("admin", ADMIN_PASSWORD)
        for _ in range(2):
            clock.move(minutes=14)
            await part(one, "elements")
        clock.move(minutes=3)
        answer = await one.http.get("/admin/elements", headers=HTMX)
        assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, "/admin/sign-in")


def test_what_an_element_says_is_never_taken_for_html() -> None:
    """Its refusals are handed on, and go through the catalogue of words."""
    pages = Pages(Assets.of(), lambda: datetime.now(UTC), "1")
    request = Request({"type": "http", "method": "GET", "path": "/admin/", "headers": []})
    told = Conflict("<b>50%s</b>", details={"<i>%(x)s</i>": "<u>100%"})
    text = bytes(pages.show(request, "error.html", error=told).body).decode()
    for shown in ("&lt;b&gt;50%s&lt;/b&gt;", "&lt;i&gt;%(x)s&lt;/i&gt;", "&lt;u&gt;100%"):
        assert shown in text
