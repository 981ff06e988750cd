"""What happens when admin or elements do not do their part (requirements G3, G4)."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
from artstore_core.modes import Mode
from artstore_testing.servers import free_port, running_app
from ingester_support import MIB, ElementProcess, Ingester, body, file_part, part, until
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

SIZES = [10, 3 * MIB]


def error_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def upload(size: int) -> bytes:
    return body(file_part(b"x" * size))


def first_choice(ingester: Ingester, element: ElementProcess) -> None:
    """Admin believes that this element has nearly all the room there is."""
    for other in ingester.admin.elements:
        other.available_bytes = 2 * 10**9 if other is element else 0


@pytest.mark.parametrize("size", SIZES)
async def test_an_element_that_refuses_is_passed_over(ingester: Ingester, size: int) -> None:
    gone = ElementProcess(
        "se-gone", Mode.RW, f"http://127.0.0.1:{free_port()}", ingester.directory, ingester.admin.issuer
    )
    changed = ingester.element("se-changed", Mode.RO)
    changed.mode = Mode.RW
    full = ingester.element("se-full", capacity_bytes=1)
    good = ingester.element("se-good")
    ingester.admin.elements.append(gone)
    for first in (gone, changed, full):
        first_choice(ingester, first)
        answer = await ingester.send(upload(size))
        assert answer.status_code == 201, answer.text
    assert len(good.data()) == 3
    assert changed.files() + full.files() == []


@pytest.mark.parametrize("size", SIZES)
async def test_all_full(ingester: Ingester, size: int) -> None:
    full = [ingester.element(f"se-full-{number}", capacity_bytes=1) for number in range(2)]
    assert error_of(await ingester.send(upload(size))) == (507, "STORAGE_FULL")
    assert [element.files() for element in full] == [[], []]


@pytest.mark.parametrize("size", SIZES)
async def test_none_suitable(ingester: Ingester, size: int) -> None:
    ingester.element("se-edit-1", Mode.EDIT)
    answer = await ingester.send(upload(size))
    assert error_of(answer) == (503, "NO_STORAGE_AVAILABLE")
    assert int(answer.headers["retry-after"]) > 0


async def test_an_element_that_fills_up_midway_keeps_nothing(ingester: Ingester) -> None:
    element = ingester.element("se-rw-1", capacity_bytes=3 * MIB)

    async def unannounced() -> Any:
        content = upload(5 * MIB)
        for at in range(0, len(content), 65536):
            yield content[at : at + 65536]

    answer = await ingester.send(unannounced())
    assert error_of(answer) in ((507, "STORAGE_FULL"), (503, "STORAGE_UNAVAILABLE"))
    await until(lambda: element.files() == [])


@pytest.mark.parametrize("trouble", ["elements_status", "token_status"])
async def test_admin_away_before_any_byte(ingester: Ingester, trouble: str) -> None:
    element = ingester.element("se-rw-1")
    setattr(ingester.admin, trouble, 503)
    answer = await ingester.send(upload(3 * MIB))
    assert error_of(answer) == (503, "ADMIN_UNAVAILABLE")
    assert int(answer.headers["retry-after"]) > 0
    assert element.files() == []
    setattr(ingester.admin, trouble, 200)
    assert (await ingester.send(upload(3 * MIB))).status_code == 201


async def test_admin_away_once_the_bytes_are_safe(ingester: Ingester) -> None:
    element = ingester.element("se-rw-1")
    ingester.admin.registry_status = 503
    answer = await ingester.send(body(part("description", "d"), file_part()))
    assert (answer.status_code, answer.json()["registered"]) == (201, False)
    assert len(element.data()) == 1
    assert "artstore_registrations_waiting" in (await ingester.http.get("/metrics")).text
    ingester.admin.registry_status = 201
    await until(lambda: bool(ingester.admin.registered))
    file = {name: value for name, value in answer.json().items() if name != "registered"}
    assert ingester.admin.registered == [file | {"storage_element_id": "se-rw-1"}]


async def test_a_registration_that_admin_refuses_is_not_repeated(ingester: Ingester) -> None:
    ingester.element("se-rw-1")
    ingester.admin.registry_status = 409
    answer = await ingester.send(upload(10))
    assert (answer.status_code, answer.json()["registered"]) == (201, False)
    ingester.admin.registry_status = 201
    assert (await ingester.send(upload(10))).status_code == 201
    assert len(ingester.admin.registered) == 1


async def test_readiness_names_what_is_missing(ingester: Ingester) -> None:
    ingester.element("se-rw-1")
    ready = await ingester.http.get("/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    dependencies = ready.json()["dependencies"]
    assert dependencies["admin"]["status"] == "ok"
    assert dependencies["signing_keys"]["status"] == "ok"
    assert dependencies["storage_elements"]["reason"] == "no element of mode edit is online"


async def test_readiness_asks_the_elements_themselves(ingester: Ingester) -> None:
    ingester.element("se-rw-1")
    ingester.admin.elements.append(
        ElementProcess(
            "se-edit-1", Mode.EDIT, f"http://127.0.0.1:{free_port()}", ingester.directory, ingester.admin.issuer
        )
    )
    ready = (await ingester.http.get("/health/ready")).json()
    assert ready["dependencies"]["storage_elements"]["reason"] == "se-edit-1 does not answer"


async def test_a_slow_and_steady_uploader_is_not_given_up_on(ingester: Ingester) -> None:
    """Its bytes go on to the element before that takes the silence for the end, though they make no whole piece."""
    element = ingester.element("se-rw-1", idle_seconds=1.5)
    content = upload(2 * MIB)

    async def slowly() -> Any:
        yield content[: MIB + MIB // 2]
        for at in range(MIB + MIB // 2, len(content), MIB // 16):
            await asyncio.sleep(0.3)
            yield content[at : at + MIB // 16]

    answer = await ingester.send(slowly())
    assert answer.status_code == 201, answer.text
    assert [len(data) for data in element.data()] == [2 * MIB]


@pytest.mark.parametrize("code", ["STORAGE_UNAVAILABLE", "INTERNAL_ERROR", ""])
async def test_an_element_that_may_have_kept_the_file_is_the_last_one_asked(ingester: Ingester, code: str) -> None:
    """It stored the file and failed at telling so: on another element there would be a second one of the same id."""
    element, other = ingester.element("se-rw-1"), ingester.element("se-rw-2")
    failing = ingester.stack.enter_context(running_app(Proxy(element.url, Trouble(503 if code else 500, code))))
    ingester.admin.elements[:] = [replace(element, url=failing), other]
    first_choice(ingester, ingester.admin.elements[0])
    assert error_of(await ingester.send(upload(10))) == (503, "STORAGE_UNAVAILABLE")
    assert (len(element.data()), other.files()) == (1, [])


@pytest.mark.parametrize(("status", "code"), [(507, "STORAGE_FULL"), (409, "MODE_NOT_ALLOWED")])
async def test_a_refusal_after_a_broken_try_does_not_move_on(ingester: Ingester, status: int, code: str) -> None:
    element, other = ingester.element("se-rw-1"), ingester.element("se-rw-2")
    proxy = Proxy(element.url, None, Trouble(status, code))
    ingester.admin.elements[:] = [replace(element, url=ingester.stack.enter_context(running_app(proxy))), other]
    first_choice(ingester, ingester.admin.elements[0])
    assert error_of(await ingester.send(upload(10))) == (503, "STORAGE_UNAVAILABLE")
    assert (len(element.data()), other.files()) == (1, [])


async def test_an_element_without_keys_is_passed_over(ingester: Ingester) -> None:
    """It answers so before it looks at the body."""
    element, other = ingester.element("se-rw-1"), ingester.element("se-rw-2")
    proxy = Proxy("http://unused.test", Trouble(503, "ADMIN_UNAVAILABLE", before=True))
    ingester.admin.elements[:] = [replace(element, url=ingester.stack.enter_context(running_app(proxy))), other]
    first_choice(ingester, ingester.admin.elements[0])
    assert (await ingester.send(upload(10))).status_code == 201
    assert len(other.data()) == 1


@pytest.mark.parametrize("size", SIZES)
async def test_an_element_that_takes_no_token_of_ours_is_passed_over(ingester: Ingester, size: int) -> None:
    """Its clock is wrong, or its keys are: admin, who asks it without a token, believes that it is well."""
    element, other = ingester.element("se-rw-1"), ingester.element("se-rw-2")
    deaf = ingester.stack.enter_context(running_app(refusing(401, "UNAUTHORIZED")))
    ingester.admin.elements[:] = [replace(element, url=deaf), other]
    first_choice(ingester, ingester.admin.elements[0])
    assert (await ingester.send(upload(size))).status_code == 201
    assert len(other.data()) == 1


async def test_an_answer_that_is_lost_stores_the_file_once(ingester: Ingester) -> None:
    """The element did its part and its answer was cut off: the same request again gives the same file."""
    element = ingester.element("se-rw-1")
    cut = ingester.stack.enter_context(running_app(Proxy(element.url, None)))
    ingester.admin.elements[:] = [replace(element, url=cut)]
    for size in SIZES:
        answer = await ingester.send(upload(size))
        assert answer.status_code == 201, answer.text
    assert sorted(len(data) for data in element.data()) == SIZES


def refusing(status: int, code: str) -> ASGIApp:
    """An element that says no to everything."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await Request(scope, receive).body()
            await JSONResponse({"error": {"code": code}}, status)(scope, receive, send)

    return app


@dataclass(frozen=True)
class Trouble:
    """An answer in place of the element's; `before`: without asking it."""

    status: int
    code: str
    before: bool = False


class Proxy:
    """In front of an element: what it does to the answers to each PUT and completion, one by one; None cuts them off.

    With nothing left to do it hands answers on as they are.
    """

    def __init__(self, upstream: str, *troubles: Trouble | None) -> None:
        self._upstream, self._troubles = upstream, troubles
        self._asked: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        path, content = request.url.path, await request.body()
        last = request.method == "PUT" or path.endswith("/complete")
        left = self._troubles[self._asked[path] :] if last else ()
        self._asked[path] += 1
        if not (left and left[0] and left[0].before):
            response = await self._forwarded(request, content)
        if left and left[0] is None:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
            raise ConnectionAbortedError
        if left and left[0]:
            response = JSONResponse({"error": {"code": left[0].code}}, left[0].status)
        await response(scope, receive, send)

    async def _forwarded(self, request: Request, content: bytes) -> Response:
        framing = ("host", "content-length", "transfer-encoding")
        headers = {name: value for name, value in request.headers.items() if name not in framing}
        async with httpx.AsyncClient(base_url=self._upstream) as client:
            answer = await client.request(request.method, request.url.path, content=content, headers=headers)
        passed = {"content-type", "upload-offset"}
        given = {name: value for name, value in answer.headers.items() if name in passed}
        return Response(answer.content, answer.status_code, given)
