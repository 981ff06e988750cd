"""What operators do with elements by way of admin: its own token, the element's answers and refusals (S3, S7)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from admin_elements import Element
from admin_service.clients.element import ElementClient
from admin_service.clients.info import InfoClient
from admin_service.clients.pinned import SystemResolver, pinned_client
from admin_service.clients.tokens import ElementTokens
from admin_service.identity.clock import system_clock
from admin_service.identity.keys import KeyRing, KeyVault
from admin_service.identity.tokens import TokenIssuer
from admin_service.registry.addresses import Networks
from admin_service.registry.elements import new_element
from admin_service.registry.health import HealthPoller
from admin_support import ISSUER, KEY
from artstore_core.ids import new_id
from artstore_core.modes import Mode
from artstore_core.scopes import Scope
from element_world import ELEMENTS, World, error_of


def path(element: Element, rest: str = "") -> str:
    return f"{ELEMENTS}/{element.storage_id}{rest}"


async def test_mode_changes_on_the_element_and_here_at_once(world: World) -> None:
    element = await world.registered(mode=Mode.RW)
    answer = await world.ask("POST", path(element, "/mode"), json={"target_mode": "ro"})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["previous_mode"], answer.json()["mode"]) == ("rw", "ro")
    assert answer.json()["changed_by"] == "sa:admin-service"
    assert (await world.row(element.storage_id))["mode"] == "ro"
    assert element.ask("GET", "/api/v1/info").json()["mode"] == "ro"
    assert ("storage_element.mode_changed", element.storage_id, "sa:sa_operator_1") in await world.audit()


async def test_the_elements_own_refusals_are_handed_on(world: World) -> None:
    element = await world.registered(mode=Mode.RO)
    for body, code in [
        ({"target_mode": "rw"}, "CONFIRMATION_REQUIRED"),
        ({"target_mode": "edit"}, "INVALID_TRANSITION"),
    ]:
        answer = await world.ask("POST", path(element, "/mode"), json=body)
        assert error_of(answer) == (409, code)
        assert answer.json()["error"]["message"]
    assert (await world.row(element.storage_id))["mode"] == "ro"
    confirmed = await world.ask("POST", path(element, "/mode"), json={"target_mode": "rw", "confirm": True})
    assert confirmed.json()["mode"] == "rw"
    actions = [action for action, _, _ in await world.audit()]
    assert actions.count("storage_element.mode_changed") == 1


async def test_what_was_asked_before_a_change_of_mode_is_not_kept_after_it(world: World) -> None:
    element = await world.registered(mode=Mode.RW)
    async with world.admin.store.transaction() as rows:
        before = await rows.elements.get(element.storage_id)
    assert before is not None
    await world.ask("POST", path(element, "/mode"), json={"target_mode": "ro"})
    async with world.admin.store.transaction() as rows:
        await rows.elements.seen(before)
    assert (await world.row(element.storage_id))["mode"] == "ro"


async def test_what_was_learnt_at_an_old_url_is_not_kept(world: World) -> None:
    element = await world.registered()
    async with world.admin.store.transaction() as rows:
        before = await rows.elements.get(element.storage_id)
        assert before is not None
        moved = element.url.replace("127.0.0.1", "localhost")
    assert (await world.ask("PATCH", path(element), json={"url": moved})).status_code == 200
    async with world.admin.store.transaction() as rows:
        await rows.elements.seen(before.missed("gone", system_clock() + timedelta(seconds=9)))
    assert (await world.row(element.storage_id))["status"] == "online"


async def test_a_clock_that_was_wrong_for_a_while_freezes_no_element(world: World) -> None:
    element = await world.registered()
    async with world.admin.store.transaction() as rows:
        before = await rows.elements.get(element.storage_id)
        assert before is not None
        await rows.elements.seen(before.missed("in the future", system_clock() + timedelta(days=365)))
        await rows.elements.seen(before.missed("now", system_clock()))
        now = await rows.elements.get(element.storage_id)
    assert now is not None
    assert now.last_error == "now"


async def test_walks_of_the_element_are_begun_and_looked_at(world: World) -> None:
    element = await world.registered()
    await world.file_on(element)
    for name, body in (("reconcile", {"checksums": False}), ("reconcile", None), ("scrub", None)):
        begun = await world.ask("POST", path(element, f"/{name}"), json=body)
        assert begun.status_code == 202, begun.text
        async with asyncio.timeout(30):
            while (state := (await world.ask("GET", path(element, f"/{name}"))).json())["state"] == "running":
                continue
        assert (state["state"], state["files"], state["counts"]) == ("idle", 1, {})
    assert ("storage_element.scrub_started", element.storage_id, "sa:sa_operator_1") in await world.audit()


async def test_a_file_is_shown_as_it_stands_on_the_element(world: World) -> None:
    element = await world.registered()
    file = element.put(description="годовой")
    answer = await world.ask("GET", path(element, f"/files/{file['file_id']}"))
    assert (answer.status_code, answer.json(), answer.headers["etag"]) == (200, file, '"1"')
    assert error_of(await world.ask("GET", path(element, f"/files/{new_id()}"))) == (404, "NOT_FOUND")


async def test_an_element_that_is_away_is_unavailable_and_nothing_changes(world: World, unused_tcp_port: int) -> None:
    element = await world.registered(mode=Mode.RW)
    before = await world.audit()
    await world.move_away(element, unused_tcp_port)
    for method, rest in [
        ("POST", "/mode"),
        ("POST", "/scrub"),
        ("GET", "/scrub"),
        ("GET", f"/files/{new_id()}"),
    ]:
        body = {"target_mode": "ro"} if rest == "/mode" else None
        answer = await world.ask(method, path(element, rest), json=body)
        assert error_of(answer) == (503, "STORAGE_UNAVAILABLE"), rest
        assert answer.headers["retry-after"]
    assert (await world.row(element.storage_id))["mode"] == "rw"
    assert await world.audit() == before


async def test_an_element_that_lost_its_disk_says_so(world: World) -> None:
    element = await world.registered()
    (element.root / "artstore-element.json").rename(element.root / "away.json")
    answer = await world.ask("GET", path(element, f"/files/{new_id()}"))
    assert error_of(answer) == (503, "STORAGE_UNAVAILABLE")


async def test_another_element_does_not_take_our_token(world: World) -> None:
    """A token is made for one element; it is nothing to whoever answers at its url."""
    element, other = await world.registered(), world.element("se-other-1")
    async with world.admin.store.transaction() as rows:
        await rows.elements._connection.exec_driver_sql(
            "UPDATE storage_elements SET url = $1 WHERE storage_id = $2", (other.url, element.storage_id)
        )
    answer = await world.ask("GET", path(element, "/scrub"))
    assert error_of(answer) == (502, "UPSTREAM_FAILED")
    assert answer.json()["error"]["message"] == "it refuses admin's token"


async def test_polling_finds_an_element_online_and_offline(world: World, unused_tcp_port: int) -> None:
    element = await world.registered(mode=Mode.RO)
    resolver = SystemResolver()
    client = pinned_client(
        Networks(["127.0.0.0/8"]), world.authority.context, resolver, max_connections=8, keep_seconds=0
    )
    async with client:
        poller = HealthPoller(world.admin.store.element_rows, InfoClient(client, at_once=8), system_clock)
        await poller.poll()
        row = await world.row(element.storage_id)
        assert (row["status"], row["mode"], row["last_error"]) == ("online", "ro", None)
        await world.move_away(element, unused_tcp_port)
        await poller.poll()
        row = await world.row(element.storage_id)
        assert (row["status"], row["mode"], row["last_error"]) == ("offline", "ro", "it cannot be reached")
    resolver.close()


async def test_admins_own_tokens_are_kept_until_a_minute_before_their_end(world: World) -> None:
    now = system_clock()
    keys = KeyRing(world.admin.store.key_rows, KeyVault(KEY), lambda: now)
    tokens = ElementTokens(TokenIssuer(keys, issuer=ISSUER, lifetime_seconds=900, clock=lambda: now), lambda: now)
    first = await tokens.token("se-1", Scope.STORAGE_READ)
    assert await tokens.token("se-1", Scope.STORAGE_READ) == first
    assert await tokens.token("se-2", Scope.STORAGE_READ) != first
    assert await tokens.token("se-1", Scope.FILES_WRITE) != first
    now += timedelta(seconds=839)
    assert await tokens.token("se-1", Scope.STORAGE_READ) == first
    now += timedelta(seconds=1)
    renewed = await tokens.token("se-1", Scope.STORAGE_READ)
    assert renewed != first
    tokens.forget("se-1", Scope.STORAGE_READ, first)
    assert await tokens.token("se-1", Scope.STORAGE_READ) == renewed
    tokens.forget("se-1", Scope.STORAGE_READ, renewed)
    assert await tokens.token("se-1", Scope.STORAGE_READ) != renewed


async def test_a_refused_token_is_renewed_once(world: World) -> None:
    """As after the signing key was withdrawn."""
    element = await world.registered()
    issued: list[str] = []

    class Tokens(ElementTokens):
        async def token(self, storage_id: str, scope: Scope) -> str:
            good = await super().token(storage_id, scope)
            issued.append("stale" if not issued else good)
            return issued[-1]

    keys = KeyRing(world.admin.store.key_rows, KeyVault(KEY), system_clock)
    issuer = TokenIssuer(keys, issuer=ISSUER, lifetime_seconds=900, clock=system_clock)
    resolver = SystemResolver()
    client = pinned_client(
        Networks(["127.0.0.0/8"]), world.authority.context, resolver, max_connections=8, keep_seconds=0
    )
    async with client:
        asked = ElementClient(client, Tokens(issuer, system_clock))
        state = await asked.job(new_element(element.storage_id, element.url, system_clock()), "scrub")
    resolver.close()
    assert state.state == "idle"
    assert len(issued) == 2
