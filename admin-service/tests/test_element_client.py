"""Calls to an element that fails: tried again or not, bounded, and told in words of our own (A11)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from admin_elements import Authority, Pair
from admin_service.clients.element import ATTEMPTS, CALLS_AT_ONCE, CALLS_WAITING, PAGE_BYTES, ElementClient
from admin_service.clients.info import InfoClient
from admin_service.clients.lists import Lists
from admin_service.clients.pinned import pinned_client
from admin_service.registry.addresses import Networks
from admin_service.registry.calls import ElementAnswersWrongly, ElementUnreachable, FileChange
from admin_service.registry.syncs import AnswerTooLong, PositionGone
from artstore_core.errors import ArtStoreError, PreconditionFailed
from artstore_core.ids import new_id
from artstore_core.modes import Mode
from artstore_core.scopes import Scope
from strangers import Answer, Stranger, resolves_to, says, server_side

STATE: dict[str, Any] = {
    "state": "idle",
    "checksums": True,
    "started_at": None,
    "finished_at": None,
    "position": 0,
    "total": 4096,
    "files": 0,
    "bytes": 0,
    "counts": {},
    "findings": [],
}


@dataclass(frozen=True)
class At:
    storage_id: str
    url: str


class Tokens:
    """As many as are asked for."""

    def __init__(self) -> None:
        self.number = 0

    async def token(self, storage_id: str, scope: Scope) -> str:
        return f"{storage_id}.{scope}.{self.number}"

    def forget(self, _storage_id: str, _scope: Scope, _token: str) -> None:
        self.number += 1


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Pair:
    return authority.certificate("element.test")


def in_turn(*answers: Answer) -> Answer:
    """One after the other, and the last one from then on."""
    left = list(answers)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(reader, writer)

    return answer


def refuses(status: str, code: str, message: str = "no", **details: str) -> Answer:
    body = {"error": {"code": code, "message": message, "details": details}}
    return says(status, json.dumps(body).encode())


async def breaks_off(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()


class Calls:
    def __init__(self, client: ElementClient, at: At, lists: Lists, stranger: Stranger) -> None:
        self.client, self.at, self.lists, self.stranger = client, at, lists, stranger

    async def outcome(self, call: Any) -> tuple[str, str]:
        with pytest.raises(ArtStoreError) as raised:
            await call
        return raised.value.code, raised.value.message


@asynccontextmanager
async def calls(answer: Answer, authority: Authority, certificate: Pair) -> AsyncIterator[Calls]:
    stranger = Stranger(answer, server_side(certificate))
    client = pinned_client(
        Networks(["127.0.0.0/8"]), authority.context, resolves_to("127.0.0.1"), max_connections=64, keep_seconds=0
    )
    async with stranger.running() as port, client:
        at = At("se-1", f"https://element.test:{port}")
        element = ElementClient(client, Tokens(), jitter=lambda: 0.0)
        yield Calls(element, at, Lists(element, InfoClient(client, at_once=1), at), stranger)


@pytest.mark.parametrize("failure", [breaks_off, says("503 Service Unavailable", b"{}")])
async def test_a_read_is_tried_again_and_a_change_is_not(
    authority: Authority, certificate: Pair, failure: Answer
) -> None:
    answer = in_turn(failure, failure, says("200 OK", json.dumps(STATE).encode()))
    async with calls(answer, authority, certificate) as made:
        assert (await made.client.job(made.at, "scrub")).state == "idle"
        assert made.stranger.connections == ATTEMPTS
    async with calls(failure, authority, certificate) as made:
        assert (await made.outcome(made.client.job(made.at, "scrub")))[0] == "STORAGE_UNAVAILABLE"
        assert made.stranger.connections == ATTEMPTS
        for change in (
            made.client.change_mode(made.at, Mode.RO, confirm=False),
            made.client.start_job(made.at, "scrub"),
            made.client.change_file(made.at, new_id(), FileChange(tags=[]), if_match=None),
            made.client.delete_file(made.at, new_id(), if_match=None),
        ):
            before = made.stranger.connections
            assert (await made.outcome(change))[0] == "STORAGE_UNAVAILABLE"
            assert made.stranger.connections == before + 1


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (refuses("409 Conflict", "INVALID_TRANSITION", "so nicht"), "INVALID_TRANSITION", "so nicht"),
        (refuses("412 Precondition Failed", "PRECONDITION_FAILED", "other"), "PRECONDITION_FAILED", "other"),
        (refuses("507 Insufficient Storage", "STORAGE_FULL", "full"), "STORAGE_FULL", "full"),
        (refuses("409 Conflict", "PRECONDITION_FAILED"), "UPSTREAM_FAILED", "it answered with an error"),
        (refuses("403 Forbidden", "FORBIDDEN", "secret"), "UPSTREAM_FAILED", "it answered with an error"),
        (refuses("401 Unauthorized", "UNAUTHORIZED", "secret"), "UPSTREAM_FAILED", "it refuses admin's token"),
        (refuses("500 Internal", "INTERNAL_ERROR", "secret"), "UPSTREAM_FAILED", "it answered with an error"),
        (refuses("409 Conflict", "NONE_OF_OURS", "secret"), "UPSTREAM_FAILED", "it answered with an error"),
        (refuses("409 Conflict", "CONFLICT", "x" * 5000), "UPSTREAM_FAILED", "it answered with an error"),
        (says("409 Conflict", b"<html>secret"), "UPSTREAM_FAILED", "it answered with an error"),
        (says("302 Found", b"", "Location: https://x"), "UPSTREAM_FAILED", "it answered with an error"),
        (says("200 OK", b"secret"), "UPSTREAM_FAILED", "what answers there is not a storage element"),
    ],
)
async def test_only_agreed_refusals_are_handed_on(
    authority: Authority, certificate: Pair, answer: Answer, code: str, message: str
) -> None:
    async with calls(answer, authority, certificate) as made:
        call = made.client.change_mode(made.at, Mode.RO, confirm=False)
        assert await made.outcome(call) == (code, message)


async def test_a_file_of_another_id_is_not_taken(authority: Authority, certificate: Pair) -> None:
    file = {
        "file_id": str(new_id()),
        "original_filename": "x",
        "content_type": "a/b",
        "size": 1,
        "checksum": "0" * 64,
        "uploaded_by": "sa:x",
        "uploaded_at": "2026-11-21T12:00:00Z",
        "retention_policy": "permanent",
    }
    async with calls(says("200 OK", json.dumps(file).encode()), authority, certificate) as made:
        assert (await made.outcome(made.client.file(made.at, new_id())))[0] == "UPSTREAM_FAILED"


async def test_if_match_goes_on_as_it_came(authority: Authority, certificate: Pair) -> None:
    async with calls(refuses("412 x", "PRECONDITION_FAILED"), authority, certificate) as made:
        with pytest.raises(PreconditionFailed):
            await made.client.delete_file(made.at, new_id(), if_match='"é", "2"')
        assert 'If-Match: "é", "2"'.encode("latin-1") in made.stranger.requests[0]
        assert b"Bearer se-1.files:write.0" in made.stranger.requests[0]


async def test_what_waits_for_one_element_is_capped(authority: Authority, certificate: Pair) -> None:
    release = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        await says("200 OK", json.dumps(STATE).encode())(reader, writer)

    async with calls(slow, authority, certificate) as made:
        room = CALLS_AT_ONCE + CALLS_WAITING
        asked = [asyncio.create_task(made.client.job(made.at, "scrub")) for _ in range(room + 3)]
        done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        assert all("too many" in str(one.exception()) for one in done)
        release.set()
        found = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(one, ElementUnreachable) for one in found) == 3


async def test_lists_tell_a_lost_position_and_an_answer_that_is_too_long(
    authority: Authority, certificate: Pair
) -> None:
    async def long(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(PAGE_BYTES // 2**20 + 2):
            writer.write(b"100000\r\n" + b" " * 2**20 + b"\r\n")
            await writer.drain()

    async with calls(refuses("410 Gone", "GONE"), authority, certificate) as made:
        with pytest.raises(PositionGone):
            await made.lists.changes(5, new_id(), 1000)
        assert b"GET /api/v1/changes?after=5&limit=1000&epoch=" in made.stranger.requests[0]
    async with calls(long, authority, certificate) as made:
        with pytest.raises(AnswerTooLong):
            await made.lists.files(None, 1000)
    async with calls(refuses("409 Conflict", "CONFLICT"), authority, certificate) as made:
        with pytest.raises(ElementAnswersWrongly):
            await made.lists.files(None, 1000)


async def test_a_call_ends_in_time_whatever_comes(authority: Authority, certificate: Pair) -> None:
    words: Sequence[str] = ("it did not answer in time", "STORAGE_UNAVAILABLE")

    async def nothing(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with calls(nothing, authority, certificate) as made:
        quick = ElementClient(made.client._http, Tokens(), seconds=0.3)
        code, message = await made.outcome(quick.job(made.at, "scrub"))
        assert (message, code) == words
