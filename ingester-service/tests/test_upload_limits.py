"""What one principal may send at once (requirement G8)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from artstore_core.errors import RateLimited
from ingester_service.upload.limits import UploadLimits
from ingester_support import MIB, Ingester, body, file_part
from tus_support import Tus


@pytest.fixture
def limits() -> dict[str, Any]:
    return {"max_uploads_per_principal": 2, "max_bytes_in_flight_per_principal": 8 * MIB}


class Held:
    """A body that goes on when it is told to."""

    def __init__(self) -> None:
        self.begun, self.goes_on = asyncio.Event(), asyncio.Event()

    async def of(self, content: bytes) -> AsyncIterator[bytes]:
        yield content[:100]
        self.begun.set()
        await self.goes_on.wait()
        yield content[100:]


def refused(answer: httpx.Response) -> bool:
    if answer.status_code != 429:
        return False
    assert (answer.json()["error"]["code"], answer.headers["retry-after"]) == ("RATE_LIMITED", "2")
    return True


async def test_so_many_at_once_and_then_again(ingester: Ingester, tus: Tus) -> None:
    ingester.element("se-rw-1")
    content, path = body(file_part(b"%PDF-1.7" + bytes(1000))), await tus.begin(200)
    first, second, length = Held(), Held(), {"Content-Length": str(len(content))}
    going = [asyncio.create_task(ingester.send(one.of(content), **length)) for one in (first,)]
    going.append(asyncio.create_task(tus.patch(path, 0, second.of(bytes(200)), Content_Length="200")))
    await asyncio.gather(first.begun.wait(), second.begun.wait())
    # Both are with the service once it refuses a third.
    for _ in range(200):
        if refused(await ingester.send(content)):
            break
    assert refused(await ingester.send(content))
    assert refused(await tus.patch(path, 0, b"x"))
    others = ingester.issuer.bearer(subject="sa:sa_other_0001")
    assert (await ingester.send(content, **others)).status_code == 201
    for one in (first, second):
        one.goes_on.set()
    assert [answer.status_code for answer in await asyncio.gather(*going)] == [201, 204]
    assert (await ingester.send(content)).status_code == 201


async def test_so_many_bytes_at_once_but_one_large_file_always(ingester: Ingester) -> None:
    ingester.element("se-rw-1")
    large = body(file_part(b"%PDF-1.7" + bytes(9 * MIB)))
    held = Held()
    going = asyncio.create_task(ingester.send(held.of(large), **{"Content-Length": str(len(large))}))
    await held.begun.wait()
    small = body(file_part())
    for _ in range(200):
        if refused(await ingester.send(small)):
            break
    assert refused(await ingester.send(small))
    held.goes_on.set()
    assert (await going).status_code == 201


async def test_a_client_that_goes_away_counts_no_more(ingester: Ingester) -> None:
    ingester.element("se-rw-1")
    content = body(file_part(b"%PDF-1.7" + bytes(1000)))
    for _ in range(3):
        held = Held()
        going = asyncio.create_task(ingester.send(held.of(content)))
        await held.begun.wait()
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)
    answers: list[httpx.Response] = []
    while not answers or refused(answers[-1]):
        answers.append(await ingester.send(content))
        assert len(answers) < 500
    assert answers[-1].status_code == 201


def test_nothing_is_kept_of_who_sends_nothing() -> None:
    limits = UploadLimits(uploads=1, size=10, unknown_size=5)
    for number in range(1000):
        with limits.admit(f"sa:{number}", None):
            assert limits.principals == 1
            with pytest.raises(RateLimited), limits.admit(f"sa:{number}", 0):
                pytest.fail("was let in")
    assert limits.principals == 0


def test_no_limit_is_none() -> None:
    limits = UploadLimits(uploads=0, size=0, unknown_size=5)
    with limits.admit("a", 10**15), limits.admit("a", 10**15), limits.admit("a", None):
        assert limits.principals == 1


def test_bytes_add_up() -> None:
    limits = UploadLimits(uploads=0, size=10, unknown_size=5)
    with limits.admit("a", 5), limits.admit("a", None):
        with pytest.raises(RateLimited), limits.admit("a", 1):
            pytest.fail("was let in")
        with limits.admit("b", 11):
            assert limits.principals == 2
