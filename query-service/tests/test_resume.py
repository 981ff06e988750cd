"""An element that is restarted does not break a download in flight, and no byte is ever another than it was."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
import structlog
from artstore_testing.postgres import Database
from artstore_testing.servers import running_app
from artstore_testing.tokens import TokenIssuer
from element_process import ElementProcess
from query_service.clients.streams import MAX_RESUMES
from query_service.config import Settings
from query_support import Registry, Row, initialised
from starlette.types import Receive, Scope, Send
from stored_support import ELEMENT, MIB, Stored, row_of, serving, store

LARGE = b"".join(sha256(n.to_bytes(4, "big")).digest() for n in range(48 * MIB // 32))
ETAG = '"the-file"'
SMALL, HELD = 1_300_000, 1_100_000

Said = tuple[int, dict[str, str], bytes]
"""Status, headers and body of an answer."""


@pytest.fixture(autouse=True)
def short_tracebacks() -> Iterator[None]:
    """As in production: the default would print megabytes of variables for every connection that breaks."""
    before = structlog.get_config()
    structlog.configure(processors=[structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)])
    yield
    structlog.configure(**before)


@pytest.fixture
async def element(tmp_path: Path, issuer: TokenIssuer) -> AsyncIterator[ElementProcess]:
    initialised(ELEMENT, tmp_path / "data")
    element = ElementProcess(ELEMENT, tmp_path / "data", issuer)
    await element.start()
    await element.ready()
    yield element
    await element.kill()


@pytest.fixture
async def stored(
    settings: Settings, migrated: Database, issuer: TokenIssuer, element: ElementProcess
) -> AsyncIterator[Stored]:
    registry, row = Registry(migrated), row_of("large.bin", LARGE)
    await registry.element(ELEMENT, element.url)
    await registry.add(row)
    await store(element.url, row, issuer, LARGE)
    async with serving(settings.model_copy(update={"retry_seconds": 30}), 60) as http:
        yield Stored(http, element.url, registry, row, issuer.bearer())


async def test_downloads_survive_a_killed_and_restarted_element(stored: Stored, element: ElementProcess) -> None:
    killed = asyncio.Event()
    begun = [asyncio.Event() for _ in range(6)]

    async def downloaded(number: int) -> bool:
        start = number * MIB + 17 * number
        headers = stored.headers | ({"Range": f"bytes={start}-"} if start else {})
        async with stored.http.stream("GET", stored.path, headers=headers) as answer:
            assert answer.status_code == (206 if start else 200)
            arriving = answer.aiter_raw()
            body = bytearray(await anext(arriving))
            begun[number].set()
            await killed.wait()
            async for piece in arriving:
                body += piece
        return body == LARGE[start:]

    downloads = [asyncio.create_task(downloaded(number)) for number in range(len(begun))]
    for one in begun:
        await one.wait()
    await element.kill()
    killed.set()
    await element.start()
    assert all(await asyncio.gather(*downloads))
    assert await stored.metric("artstore_query_download_resumes_total") == len(begun)
    assert await stored.metric("artstore_query_downloads_broken_total") == 0


async def test_an_element_that_comes_back_in_time_is_waited_for(stored: Stored, element: ElementProcess) -> None:
    await element.kill()
    asking = asyncio.create_task(stored.get())
    await asyncio.sleep(0.3)
    await element.start()
    answer = await asking
    assert (answer.status_code, answer.content == LARGE) == (200, True)
    assert await stored.metric("artstore_query_element_retries_total") > 0


@dataclass
class Scripted:
    """An element that breaks off after `held` bytes, and then answers as `then` says."""

    held: int
    then: Callable[[int, int], Said]
    content: bytes = LARGE[:SMALL]
    asked: list[dict[str, str]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            return await send({"type": "lifespan.shutdown.complete"})
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.asked.append(headers)
        if len(self.asked) == 1:
            status, said, body = 200, {"etag": ETAG, "content-length": str(len(self.content))}, self.content
        else:
            found = re.fullmatch(r"bytes=(\d+)-(\d+)", headers["range"])
            assert found is not None
            status, said, body = self.then(int(found[1]), int(found[2]) + 1)
        raw = [(name.encode(), value.encode()) for name, value in said.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body[: self.held], "more_body": True})
        if len(body) > self.held:
            raise ConnectionAbortedError
        await send({"type": "http.response.body", "body": b""})
        return None


Run = Callable[[Scripted], Awaitable[Stored]]


def rest(start: int, stop: int, *, etag: str = ETAG, shift: int = 0, content: bytes = LARGE) -> Said:
    body = content[start + shift : stop]
    said = {
        "etag": etag,
        "content-length": str(len(body)),
        "content-range": f"bytes {start + shift}-{stop - 1}/{SMALL}",
    }
    return 206, said, body


def whole(_start: int, _stop: int) -> Said:
    return 200, {"etag": ETAG, "content-length": str(SMALL)}, LARGE[:SMALL]


def says(status: int, code: str) -> Callable[[int, int], Said]:
    body = f'{{"error": {{"code": "{code}"}}}}'.encode()
    return lambda _start, _stop: (status, {"content-length": str(len(body))}, body)


@pytest.fixture
async def scripted(settings: Settings, migrated: Database, issuer: TokenIssuer) -> AsyncIterator[Run]:
    registry, row = Registry(migrated), Row(size=SMALL)
    hasty = settings.model_copy(update={"resume_seconds": 0.5})
    with ExitStack() as stack:
        async with serving(hasty) as http:

            async def run(element: Scripted) -> Stored:
                url = stack.enter_context(running_app(element))
                await registry.element(ELEMENT, url)
                await registry.add(row)
                return Stored(http, url, registry, row, issuer.bearer())

            yield run


async def received(stored: Stored) -> tuple[bytes, bool]:
    """What came, and whether it was said to be all."""
    body = bytearray()
    try:
        async with stored.http.stream("GET", stored.path, headers=stored.headers) as answer:
            async for piece in answer.aiter_raw():
                body += piece
    except httpx.RemoteProtocolError:
        return bytes(body), False
    return bytes(body), True


async def test_the_rest_is_asked_for_of_this_very_file(scripted: Run) -> None:
    element = Scripted(held=HELD, then=rest)
    stored = await scripted(element)
    assert await received(stored) == (LARGE[:SMALL], True)
    assert element.asked[1]["range"] == f"bytes={HELD}-{SMALL - 1}"
    assert element.asked[1]["if-match"] == ETAG


@pytest.mark.parametrize(
    "then",
    [
        lambda start, stop: rest(start, stop, etag='"another-file"'),
        lambda start, stop: rest(start, stop, etag=f"W/{ETAG}"),
        lambda start, stop: rest(start, stop, shift=1),
        lambda start, stop: rest(start, stop - 1),
        whole,
        says(412, "PRECONDITION_FAILED"),
        says(404, "NOT_FOUND"),
        says(409, "FILE_DAMAGED"),
        says(503, "STORAGE_UNAVAILABLE"),
        says(401, "UNAUTHORIZED"),
    ],
    ids=["other", "weak", "shifted", "shorter", "whole", "changed", "gone", "damaged", "away", "untrusted"],
)
async def test_another_rest_is_none(scripted: Run, then: Callable[[int, int], Said]) -> None:
    """The client sees a connection that breaks, and nothing in what it got is wrong."""
    stored = await scripted(Scripted(held=HELD, then=then))
    body, all_of_it = await received(stored)
    assert not all_of_it
    assert LARGE.startswith(body)
    assert await stored.metric("artstore_query_downloads_broken_total") == 1


async def test_an_element_that_always_breaks_off_is_given_up(scripted: Run) -> None:
    element = Scripted(held=40_000, then=rest)
    stored = await scripted(element)
    body, all_of_it = await received(stored)
    assert not all_of_it
    assert LARGE.startswith(body)
    assert len(element.asked) == MAX_RESUMES + 1
