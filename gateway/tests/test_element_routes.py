"""Routes to storage elements: they come and go while Envoy runs, and lead nowhere but to the bytes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio
from artstore_gateway import Service
from artstore_gateway.discovery import ElementFiles
from artstore_gateway.elements import OFFER, Element
from artstore_gateway.testing import Gateway, Upstream, free_ports, running_gateway

pytestmark = pytest.mark.integration

ROUTE, GONE = "a" * 24, "b" * 24
FILE = "/api/v1/files/68afc3e4-2b65-41db-9610-37dda618e0f8/download"
PART = "/api/v1/uploads/05d8f32f-e22b-486c-a342-f4ac1af00bce/parts/7"
SHORT = f"/_element/{ROUTE}"
TICKET = {"ticket": "SECRET"}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass
class ShortCut:
    """A gateway with one element."""

    gateway: Gateway
    element: Upstream
    known: Element

    async def ask(self, path: str, method: str = "GET", **more: str) -> httpx.Response:
        headers = self.gateway.bearer() | more
        return await self.gateway.client.request(method, self.gateway.url + path, headers=headers)

    def redirect(self, to: str) -> Upstream:
        query = self.gateway.upstreams[Service.QUERY]
        query.redirect_to = to
        return query


async def routed(gateway: Gateway, path: str, there: bool) -> None:
    """Once Envoy has read what was published. An element that is away has a route all the same."""
    async with asyncio.timeout(60):
        while ((await gateway.client.get(gateway.url + path, params=TICKET)).status_code != 404) != there:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cut(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ShortCut]:
    directory = tmp_path_factory.mktemp("short-cut")
    (port,) = free_ports(1)
    known = Element(ROUTE, f"http://127.0.0.1:{port}")
    async with running_gateway(directory, elements_dir=directory / "routes") as gateway:
        element = Upstream("element", port, gateway.keys.jwks)
        await element.start()
        ElementFiles(gateway.settings).publish([known], [known])
        await routed(gateway, SHORT + FILE, there=True)
        yield ShortCut(gateway, element, known)
        await element.stop()


@pytest.fixture(autouse=True)
def as_before(cut: ShortCut) -> None:
    cut.gateway.upstreams[Service.QUERY].redirect_to = None
    cut.element.more_headers, cut.element.redirect_to, cut.element.last = [], None, {}


TO_ELEMENT = f"http://any{SHORT}{FILE}?ticket=SECRET"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", [FILE, "/api/v1/links/download?ticket=LINK"])
async def test_a_redirect_is_followed_by_envoy(cut: ShortCut, method: str, path: str) -> None:
    cut.redirect(TO_ELEMENT)

    answer = await cut.ask(path, method, Range="bytes=2-3", Cookie="a=b", **{"X-Request-Id": "one"})

    seen = cut.element.last
    assert (answer.status_code, answer.headers["x-request-id"]) == (200, "one")
    assert "location" not in answer.headers
    assert (seen["method"], seen["path"], seen["query"]) == (method, FILE, "ticket=SECRET")
    assert (seen["headers"]["range"], seen["headers"]["x-request-id"]) == ("bytes=2-3", "one")
    assert seen["headers"]["host"] == cut.known.authority


async def test_an_element_hears_nothing_that_is_not_for_it(cut: ShortCut) -> None:
    cut.redirect(TO_ELEMENT)
    secret = {"Cookie": "session=SESSION", "X-Envoy-Original-Url": "http://x/?ticket=OTHER", OFFER: ROUTE}

    for path in ("/api/v1/links/download?ticket=LINK", f"{SHORT}{FILE}?ticket=SECRET"):
        await cut.ask(path, **secret)

        heard = cut.element.last["headers"]
        assert not {"authorization", "cookie", OFFER, "x-envoy-original-url", "x-envoy-original-path"} & set(heard)
        assert not any(word in str(heard) for word in ("LINK", "OTHER", "SESSION", "SECRET"))


async def test_query_hears_from_the_gateway_alone_which_elements_it_reaches(cut: ShortCut) -> None:
    query = cut.redirect(TO_ELEMENT)

    await cut.ask(FILE, **{OFFER: "mine"})
    assert query.last["headers"][OFFER] == ROUTE[:8]

    for path in ("/api/v1/files/x1", "/api/v1/audit"):
        answer = await cut.ask(path, **{OFFER: "mine"})
        assert OFFER not in answer.json()["headers"]


async def test_without_elements_query_hears_nothing(gateway: Gateway) -> None:
    answer = await gateway.client.get(gateway.url + FILE, headers=gateway.bearer() | {OFFER: "mine"})

    assert OFFER not in answer.json()["headers"]


@pytest.mark.parametrize(
    "location",
    [
        "http://any/api/v1/audit", "http://any/api/v1/files/x1", f"http://any/_element/{GONE}{FILE}?ticket=SECRET",
        f"http://any{SHORT}{FILE}", f"http://any{SHORT}/api/v1/info?ticket=SECRET", "http://127.0.0.1:1/?ticket=SECRET",
        f"http://any{SHORT}{PART}?ticket=SECRET", f"{SHORT}{FILE}?ticket=SECRET", "ftp://any/", "nonsense",
    ],
)  # fmt: skip
async def test_a_redirect_elsewhere_is_not_followed_and_not_told(cut: ShortCut, location: str) -> None:
    cut.redirect(location)

    answer = await cut.ask(FILE)

    assert answer.status_code == 307
    assert cut.element.last == {}
    assert "location" not in answer.headers
    assert "SECRET" not in str(answer.headers) + answer.text


async def test_an_element_redirects_nobody(cut: ShortCut) -> None:
    cut.redirect(TO_ELEMENT)
    cut.element.redirect_to = TO_ELEMENT

    for path in (FILE, f"{SHORT}{FILE}?ticket=SECRET"):
        answer = await cut.ask(path)

        assert answer.status_code == 307
        assert "location" not in answer.headers


async def test_an_element_does_not_speak_for_the_gateways_origin(cut: ShortCut) -> None:
    cut.element.more_headers = [
        (b"set-cookie", b"a=b"), (b"clear-site-data", b"*"), (b"access-control-allow-origin", b"*"), (b"etag", b'"e"'),
    ]  # fmt: skip

    answer = await cut.ask(f"{SHORT}{FILE}?ticket=SECRET")

    assert answer.headers["etag"] == '"e"'
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert not {"set-cookie", "clear-site-data", "access-control-allow-origin", "server"} & set(answer.headers)


async def test_a_part_goes_in_without_being_held_back(cut: ShortCut) -> None:
    cut.element.first_bytes.clear()

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.wait_for(cut.element.first_bytes.wait(), 60)
        yield bytes(2 << 20)

    answer = await cut.gateway.client.put(cut.gateway.url + SHORT + PART, params=TICKET, content=body())

    assert (answer.status_code, answer.json()["received"], answer.json()["path"]) == (200, 5 + (2 << 20), PART)


@pytest.mark.parametrize(("path", "allowed"), [(FILE, "GET, HEAD"), (PART, "PUT")])
async def test_other_methods_are_405(cut: ShortCut, path: str, allowed: str) -> None:
    for method in (name for name in METHODS if name not in allowed):
        answer = await cut.ask(f"{SHORT}{path}?ticket=SECRET", method)

        assert (answer.status_code, answer.headers["allow"]) == (405, allowed), method


@pytest.mark.parametrize(
    "path",
    [
        f"{SHORT}{FILE}", f"{SHORT}{FILE}?Ticket=SECRET", f"/_element/{GONE}{FILE}?ticket=SECRET",
        f"/_element/se-rw-1{FILE}?ticket=SECRET", f"{SHORT}/api/v1/info?ticket=SECRET", f"{SHORT}/?ticket=SECRET",
        f"{SHORT}/api/v1/files?ticket=SECRET", f"{SHORT}/metrics?ticket=SECRET", f"{SHORT}?ticket=SECRET",
        f"{SHORT}/api/v1/mode/transition?ticket=SECRET", f"{SHORT}{FILE}/?ticket=SECRET", f"/_element{FILE}?ticket=SECRET",
        f"{SHORT}{FILE}/../../../info?ticket=SECRET", f"{SHORT}/api/v1/files/%2e%2e/info?ticket=SECRET",
        f"{SHORT}{FILE}/%2E%2E/%2e%2e/metrics?ticket=SECRET", f"{SHORT}//evil.example{FILE}?ticket=SECRET",
        f"/x/..{SHORT}/api/v1/info?ticket=SECRET", f"{SHORT};x=y{FILE}?ticket=SECRET", f"{SHORT}{FILE};x?ticket=SECRET",
        f"{SHORT.upper()}{FILE}?ticket=SECRET", f"{SHORT}{FILE}%3Fticket=SECRET", f"{SHORT}{FILE}%00?ticket=SECRET",
    ],
)  # fmt: skip
async def test_nothing_else_of_an_element_is_reachable(cut: ShortCut, path: str) -> None:
    head, answer = await raw(cut.gateway, f"GET {path} HTTP/1.1")

    assert head in (b"HTTP/1.1 404 Not Found", b"HTTP/1.1 400 Bad Request"), head
    assert b'"error"' in answer
    assert cut.element.last == {}


@pytest.mark.parametrize(
    "line",
    [
        "GET http://evil.example/ HTTP/1.1", "GET http://evil.example:80/api/v1/info?ticket=SECRET HTTP/1.1",
        "OPTIONS * HTTP/1.1", f"TRACE {SHORT}{FILE}?ticket=SECRET HTTP/1.1",
        f"GET //evil.example{FILE}?ticket=SECRET HTTP/1.1", f"GET {SHORT}%2fapi%2fv1%2finfo?ticket=SECRET HTTP/1.1",
        f"GET {SHORT}/..%5c..%5cinfo?ticket=SECRET HTTP/1.1", f"PATCH {SHORT}/api/v1/uploads/x?ticket=SECRET HTTP/1.1",
        f"PUT {SHORT}/api/v1/files/68afc3e4-2b65-41db-9610-37dda618e0f8?ticket=SECRET HTTP/1.1",
    ],
)  # fmt: skip
async def test_it_is_no_open_proxy(cut: ShortCut, line: str) -> None:
    head, _ = await raw(cut.gateway, line)

    assert head.split()[1] in (b"400", b"404", b"405"), head
    assert cut.element.last == {}


async def test_whatever_the_host_is_called_the_route_leads_to_the_element_alone(cut: ShortCut) -> None:
    head, _ = await raw(cut.gateway, f"GET http://evil.example{SHORT}{FILE}?ticket=SECRET HTTP/1.1")

    assert head == b"HTTP/1.1 200 OK"
    assert cut.element.last["headers"]["host"] == cut.known.authority


async def raw(gateway: Gateway, line: str) -> tuple[bytes, bytes]:
    """A request as no client makes it: the answer's status line and its body. (Envoy closes much later.)"""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.settings.port)
    try:
        headers = ["Host: gateway", f"Authorization: {gateway.bearer()['Authorization']}", "", ""]
        writer.write("\r\n".join([line, *headers]).encode())
        async with asyncio.timeout(60):
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            body = await reader.readexactly(int(length[1])) if length else b""
    finally:
        writer.close()
    return head.partition(b"\r\n")[0], body
