"""Bytes that go from an element through the gateway past query, and what somebody tries who wants more of that way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from artstore_tickets import FileSubject
from byte_ways import ELEMENT, WAYS, ask, redirects, route_url, tickets_of
from world import World, within

pytestmark = pytest.mark.e2e

CONTENT = bytes(range(256)) * 4096
OTHER_ELEMENT = "se-edit-1"
_OF_THE_WAY = {"date", "server", "x-request-id", "referrer-policy", "connection", "vary"}


@pytest.fixture(scope="module")
def stored(world: World) -> dict[str, Any]:
    return world.uploaded(CONTENT, "короткий путь.bin")


def download(file_id: object) -> str:
    return f"/api/v1/files/{file_id}/download"


def through(world: World, stored: dict[str, Any], ticket: str, **headers: str) -> httpx.Response:
    return world.http.get(
        route_url(world, ELEMENT, download(stored["file_id"])), params={"ticket": ticket}, headers=headers
    )


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.parametrize("headers", [{}, {"range": "bytes=5-1004"}, {"range": "bytes=-7", "method": "HEAD"}])
def test_the_same_answer_on_every_way(world: World, stored: dict[str, Any], headers: dict[str, str]) -> None:
    before = redirects(world)

    answers = [ask(world, way, stored["file_id"], **headers) for way in WAYS]

    shown = [{n: v for n, v in answer.headers.items() if n not in _OF_THE_WAY} for answer in answers]
    assert shown[0] == shown[1] == shown[2]
    assert answers[0].content == answers[1].content == answers[2].content
    assert {answer.status_code for answer in answers} == {206 if headers and "method" not in headers else 200}
    assert redirects(world) == before + 1


def test_a_link_goes_the_same_way(world: World, stored: dict[str, Any]) -> None:
    before = redirects(world)

    answer = world.http.get(world.link(stored["file_id"], "attachment"), headers={"Range": "bytes=0-9"})

    assert (answer.status_code, answer.content) == (206, CONTENT[:10])
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert redirects(world) == before + 1


def test_the_route_takes_this_elements_tickets_for_this_file_alone(world: World, stored: dict[str, Any]) -> None:
    file = FileSubject(UUID(stored["file_id"]))
    own, another = tickets_of(world, ELEMENT), tickets_of(world, OTHER_ELEMENT)
    earlier = tickets_of(world, ELEMENT, lambda: datetime.now(UTC) - timedelta(minutes=20))
    good = own.issue(file, ["GET"])

    assert through(world, stored, good).content == CONTENT
    for bad in ("", "x", good[:-2], good + "A", another.issue(file, ["GET"]), earlier.issue(file, ["GET"])):
        assert code(through(world, stored, bad)) == (401, "UNAUTHORIZED")
    for elsewhere in (own.issue(FileSubject(uuid4()), ["GET"]), own.issue(file, ["PUT"])):
        assert code(through(world, stored, elsewhere)) == (403, "FORBIDDEN")


def test_a_token_opens_nothing_there(world: World, stored: dict[str, Any]) -> None:
    """Not even one that the element itself would take."""
    token = world.bearer("service", resource=f"urn:artstore:element:{ELEMENT}")
    url = route_url(world, ELEMENT, download(stored["file_id"]))

    assert code(world.http.get(url, headers=token)) == (404, "NOT_FOUND")
    assert code(world.http.get(url, params={"ticket": "x"}, headers=token)) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/info"), ("GET", "/metrics"), ("GET", "/api/v1/files"), ("PATCH", "/api/v1/uploads/{id}"),
        ("GET", "/api/v1/files/{id}"), ("DELETE", "/api/v1/files/{id}"), ("PUT", "/api/v1/files/{id}"),
        ("POST", "/api/v1/mode/transition"), ("GET", "/api/v1/files/{id}/download/%2e%2e/%2e%2e/%2e%2e/info"),
    ],
)  # fmt: skip
def test_the_rest_of_the_element_is_not_there(world: World, stored: dict[str, Any], method: str, path: str) -> None:
    ticket = tickets_of(world, ELEMENT).issue(FileSubject(UUID(stored["file_id"])), ["GET", "PUT", "PATCH", "DELETE"])
    url = route_url(world, ELEMENT, path.replace("{id}", stored["file_id"]))

    answer = world.http.request(method, url, params={"ticket": ticket}, headers=world.bearer("operator"))

    assert code(answer) == (404, "NOT_FOUND")


def test_a_client_cannot_say_that_it_is_the_gateway(world: World, stored: dict[str, Any]) -> None:
    answer = world.download(stored["file_id"], **{"X-Artstore-Elements": "00000000"})
    assert (answer.status_code, answer.content) == (200, CONTENT)

    direct = f"{world.credentials['services']['query']}{download(stored['file_id'])}"
    assert world.http.get(direct, headers=world.bearer()).content == CONTENT


def test_no_log_has_a_ticket_and_no_answer_an_elements_id(world: World, stored: dict[str, Any]) -> None:
    ticket = tickets_of(world, ELEMENT).issue(FileSubject(UUID(stored["file_id"])), ["GET"])
    marked = {"X-Request-Id": f"short-cut-{uuid4()}"}
    link = world.link(stored["file_id"])
    answers = [through(world, stored, ticket, **marked), world.http.get(link, headers=marked)]

    logs = world.stack.layout.logs
    seen = [logs / "envoy.log", logs / f"{ELEMENT}.log", logs / "query.log"]
    within(60, lambda: all(marked["X-Request-Id"] in log.read_text() for log in seen), "the requests are logged")
    for log in logs.iterdir():
        text = log.read_text(errors="replace")
        assert ticket not in text
        assert link.partition("ticket=")[2] not in text
        assert "ticket=" not in text, log
    for answer in answers:
        assert ELEMENT not in str(answer.headers)


def test_an_element_that_is_away_is_told_in_the_form(world: World, stored: dict[str, Any]) -> None:
    ticket = tickets_of(world, ELEMENT).issue(FileSubject(UUID(stored["file_id"])), ["GET"])
    assert world.download(stored["file_id"]).status_code == 200
    world.stack.stop(ELEMENT)
    try:
        for answer in (world.download(stored["file_id"]), through(world, stored, ticket)):
            assert code(answer) == (503, "STORAGE_UNAVAILABLE")
            assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]
            assert int(answer.headers["retry-after"]) > 0
    finally:
        world.stack.start(ELEMENT)
    within(60, lambda: world.download(stored["file_id"]).content == CONTENT, "it comes back by itself")


def test_routes_stay_while_their_writer_and_admin_are_away(world: World, stored: dict[str, Any]) -> None:
    world.bearer()
    world.stack.stop("routes")
    world.stack.stop("admin")
    try:
        before = redirects(world)
        assert world.download(stored["file_id"]).content == CONTENT
        assert redirects(world) == before + 1
    finally:
        world.stack.start("admin")
        world.stack.start("routes")
