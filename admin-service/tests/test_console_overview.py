"""The console's first page and the system page: what they say, of what, to whom (requirements C1, C5)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from admin_people import ADMIN_PASSWORD, PASSWORD, MovedClock, People, connection_of
from admin_service.config import Settings
from admin_service.console.language import Language
from artstore_testing.servers import running_app
from console_services import Services
from console_support import Browser, browser
from element_world import FILES, INTERNAL
from sqlalchemy import text
from test_totals import file

HOSTILE = '<img src=x onerror="alert(1)">'
RUSSIAN = {"Accept-Language": "ru"}


@pytest.fixture(scope="module")
def standing_in() -> Iterator[tuple[Services, str]]:
    services = Services()
    with running_app(services) as url:
        yield services, url


@pytest.fixture
def services(standing_in: tuple[Services, str]) -> Services:
    standing_in[0].well()
    return standing_in[0]


@pytest.fixture
def settings(settings: Settings, standing_in: tuple[Services, str]) -> Settings:
    urls = {f"{name}_url": f"{standing_in[1]}/{name}" for name in ("ingester", "query", "render")}
    return settings.model_copy(update=urls)


@pytest.fixture
async def visitor(people: People, services: Services) -> AsyncIterator[Browser]:  # noqa: ARG001
    async with browser(people.http) as one:
        await one.sign_in("admin", ADMIN_PASSWORD)
        yield one


async def run(people: People, statement: str, **values: Any) -> None:
    async with people.store.transaction() as rows:
        await connection_of(rows).execute(text(statement), values)


async def bring_online(people: People, storage_id: str, taken: int = 100, **about: Any) -> None:
    told = {"mode": storage_id.split("-")[1], "version": "1.2.3", "about": None, **about}
    await run(
        people,
        "UPDATE storage_elements SET status = 'online', mode = :mode, version = :version, description = :about,"
        " last_error = NULL, capacity_bytes = 1000, used_bytes = :taken, available_bytes = :left,"
        " last_seen_at = now(), checked_at = now() WHERE storage_id = :id",
        id=storage_id,
        taken=taken,
        left=1000 - taken,
        **told,
    )


async def all_online(people: People) -> None:
    await bring_online(people, "se-rw-1")
    await bring_online(people, "se-edit-1")


async def registered(people: People, *files: dict[str, Any]) -> None:
    headers = await people.bearer("ingester", resource=INTERNAL)
    for one in files:
        assert (await people.http.post(FILES, json=one, headers=headers)).status_code == 201


async def test_all_is_well(people: People, visitor: Browser) -> None:
    await all_online(people)
    now = datetime.now(UTC).isoformat()
    await registered(people, file(uploaded_at=now, size=3 * 2**20), file(uploaded_at=now, size=0))
    page = await visitor.page()
    assert "All is well" in page
    assert "Needs attention" not in page
    assert "3 MiB" in page
    assert "100 B / 1,000 B · 10%" in page
    assert page.count(">well</span>") == 4
    assert 'data-files="2" data-bytes="3145728"' in page
    assert 'sse-connect="/admin/overview/events?seen=' in page


async def test_what_is_wrong_and_what_to_do(visitor: Browser) -> None:
    page = await visitor.page()
    assert "3 things need attention. 3 of them are urgent." in page
    assert page.count("A storage element is offline") == 2
    assert "No storage element takes new files" in page
    assert 'href="/admin/elements/se-rw-1"' in page
    assert "There are no files yet." in page


async def test_room_damage_and_syncs(people: People, visitor: Browser) -> None:
    await bring_online(people, "se-rw-1", taken=960)
    await bring_online(people, "se-edit-1", taken=870)
    await registered(people, file(status="damaged"))
    sync = (
        "INSERT INTO syncs (id, storage_id, kind, reason, status, requested_by, started_at, updated_at, error, conflicts)"
        " VALUES (gen_random_uuid(), :id, 'full', 'schedule', :status, 'x', now(), now(), :error, :conflicts)"
    )
    await run(people, sync, id="se-rw-1", status="failed", error="it cannot be reached", conflicts=0)
    await run(people, sync, id="se-edit-1", status="succeeded", error=None, conflicts=2)
    page = await visitor.page()
    assert page.count("A storage element is nearly full") == 2
    assert "96% of its room are taken, 40 B are left" in page
    assert "1 file cannot be read as it was uploaded." in page
    assert 'href="/admin/elements/se-rw-1/files?status=damaged"' in page
    assert "The registry cannot follow a storage element" in page
    assert "2 files lie there and are not registered" in page
    assert page.index("Files are damaged") < page.index("The registry left files out"), "what is urgent comes first"
    await bring_online(people, "se-rw-1", taken=960, mode="ar")
    await bring_online(people, "se-edit-1", taken=1000, mode="ro")
    async with browser(people.http) as other:
        await people.create("reader")
        await other.sign_in("reader", PASSWORD)
        page = await other.page()
    assert "nearly full" not in page, "nothing is to come there"
    assert "No storage element takes new files" in page


async def test_secrets_that_expire(people: People, clock: MovedClock, visitor: Browser) -> None:
    await all_online(people)
    for name, days in (("soon", 10), ("sooner", 1), ("never", 0), ("later", 90), (HOSTILE, 3)):
        body = {"name": name, "scopes": ["files:read"], "expires_in_days": days}
        answer = await people.http.post("/api/v1/service-accounts", json=body, headers=await people.bearer())
        assert answer.status_code == 201
    page = (await visitor.get()).text
    assert page.count("A secret expires soon") == 3
    assert "A secret has expired" not in page
    assert HOSTILE not in page
    assert "&lt;img src=x" in page
    clock.move(days=2)
    await visitor.sign_in("admin", ADMIN_PASSWORD)
    page = await visitor.page()
    assert (page.count("A secret has expired"), page.count("A secret expires soon")) == (1, 2)
    assert page.index(">sooner<") < page.index(">soon<")


async def test_services_that_are_away_or_unwell(people: People, services: Services, visitor: Browser) -> None:
    await all_online(people)
    services.unwell("ingester", "fail", {"admin": "no answer within 2 s"})
    services.unwell("query", "degraded", {"cache": HOSTILE})
    services.away("render")
    raw = (await visitor.get()).text
    page = await visitor.page()
    assert page.count("A service lacks something that it depends on") == 2
    assert "no answer within 2 s" in page
    assert "No previews are made or shown; all else works." in page
    assert "The previews cannot be counted just now." in page
    assert HOSTILE not in raw
    system = await visitor.page("system")
    assert ">does not answer<" in system
    assert ">impaired<" in system


async def test_whoever_may_only_read_sees_the_same(people: People, visitor: Browser) -> None:
    await all_online(people)
    await people.create("reader")
    async with browser(people.http) as reader:
        await reader.sign_in("reader", PASSWORD)
        for path in ("", "system"):
            page, other = await visitor.page(path), await reader.page(path)
            headings = [line for line in page.splitlines() if "<h2" in line]
            assert headings == [line for line in other.splitlines() if "<h2" in line]
            assert "<form" not in other.split("<main", 1)[1]


async def test_nobody_sees_it_who_is_not_signed_in(people: People, services: Services) -> None:  # noqa: ARG001
    async with browser(people.http) as stranger:
        for path in ("", "system"):
            answer = await stranger.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, f"/admin/sign-in?next=/admin/{path}")


async def test_names_that_others_gave_are_only_text(people: People, visitor: Browser) -> None:
    await all_online(people)
    await bring_online(people, "se-rw-1", about=HOSTILE, version=HOSTILE)
    await run(
        people,
        "INSERT INTO audit_log (happened_at, service, actor, action, outcome, target)"
        " VALUES (now(), 'x', :text, :text, 'denied', :text)",
        text=HOSTILE,
    )
    await run(people, "UPDATE storage_elements SET last_error = :text, status = 'offline' WHERE storage_id = 'se-edit-1'", text=HOSTILE)  # fmt: skip
    for path in ("", "system"):
        raw = (await visitor.get(path)).text
        assert HOSTILE not in raw
        assert "&lt;img src=x onerror=" in raw


async def test_previews_that_wait_and_that_failed(people: People, services: Services, visitor: Browser) -> None:
    await all_online(people)
    assert "look why" not in await visitor.page()
    services.jobs = {"waiting": 1200, "converting": 34, "failed": 5}
    await people.create("reader")
    async with browser(people.http) as reader:
        await reader.sign_in("reader", PASSWORD)
        page = await reader.page()
    assert "<b>1,234</b>" in page
    assert "<b>5</b>" in page
    assert "look why" in page


async def test_many_elements(people: People, visitor: Browser) -> None:
    await all_online(people)
    await run(
        people,
        "INSERT INTO storage_elements (storage_id, url, status, mode, capacity_bytes, used_bytes, available_bytes,"
        " last_error, created_at, updated_at) SELECT 'se-' || n, 'https://e' || n || '.test', 'offline', 'ro', 1, 1, 0,"
        " 'it cannot be reached', now(), now() FROM generate_series(1, 300) AS n",
    )
    page = await visitor.page()
    assert "2 / 302" in page
    assert "All 302 storage elements" in page
    assert page.count("A storage element is offline") == 20
    assert "280 more are not shown." in page
    assert "300 offline" in page


async def test_in_russian(people: People, visitor: Browser) -> None:
    answer = await visitor.http.get("/admin/", headers=RUSSIAN)
    assert "Внимания требуют 3 вопроса." in answer.text
    assert "Элемент хранения недоступен" in answer.text
    await all_online(people)
    answer = await visitor.http.get("/admin/system", headers=RUSSIAN)
    assert "Действующие настройки admin" in answer.text
    words = Language("ru").words
    about = [field.description for field in Settings.model_fields.values() if field.description]
    assert [one for one in about if words.gettext(one) == one] == []


async def test_the_system_page_shows_versions_and_no_secret(
    people: People, settings: Settings, visitor: Browser
) -> None:
    await all_online(people)
    page = await visitor.page("system")
    assert page.count("1.2.3") == 2
    assert "9.9.9-render" in page
    assert "AM_ACCESS_TOKEN_SECONDS" in page
    assert "AM_DATABASE_URL" in page
    assert page.count("set, not shown") == 2
    for secret in (settings.database_url, settings.key_encryption_key):
        assert secret.get_secret_value() not in page


async def test_an_expiring_secret_is_told_two_weeks_before(people: People, visitor: Browser) -> None:
    await all_online(people)
    body = {"name": "a program", "scopes": ["files:read"], "expires_in_days": 20}
    await people.http.post("/api/v1/service-accounts", json=body, headers=await people.bearer())
    assert "expires soon" not in await visitor.page()
    expires = datetime.now(UTC) + timedelta(days=14)
    await run(people, "UPDATE service_accounts SET secret_expires_at = :at WHERE name = 'a program'", at=expires)
    await people.create("reader")
    async with browser(people.http) as reader:
        await reader.sign_in("reader", PASSWORD)
        assert "A secret expires soon" in await reader.page()
