"""Hostile input, byte by byte: status, error form, and nothing left on the element's disk, its log included."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from artstore_core.modes import Mode
from hostile_uploads import (
    FORMS,
    KEPT,
    LARGE,
    LENGTHS,
    NAMES,
    UPLOADS,
    Answer,
    Case,
    body,
    field,
    file,
    left_on,
    send,
    tus_cases,
)
from ingester_support import ElementProcess, Ingester, until
from tus_support import Tus


async def sent(ingester: Ingester, case: Case) -> Answer:
    token = ingester.issuer.bearer()["Authorization"]
    return await asyncio.to_thread(send, str(ingester.http.base_url), case, token)


def check(case: Case, answer: Answer) -> None:
    """Where nobody may be left to hear it, an answer is not asked for; one that says it went well is wrong all the same."""
    if answer.status is None and case.status is None:
        return
    assert (answer.status, answer.code) == (case.status or 400, case.code), (case.name, answer)


def at_rest(element: ElementProcess) -> dict[str, int]:
    element.files()  # empties the log
    return left_on(element.root)


@pytest.mark.parametrize("cases", [LENGTHS, FORMS, NAMES], ids=["lengths", "forms", "names"])
async def test_refused_and_nothing_is_left(ingester: Ingester, rw: ElementProcess, cases: list[Case]) -> None:
    before = at_rest(rw)
    for case in cases:
        check(case, await sent(ingester, case))
        await until(lambda: at_rest(rw) == before, 60)
    assert ingester.admin.registered == []


async def test_names_that_would_be_paths_are_only_names(ingester: Ingester, rw: ElementProcess) -> None:
    for name in KEPT:
        answer = await ingester.send(body(file(name=name.replace('"', "%22"))))
        assert (answer.status_code, answer.json()["original_filename"]) == (201, name)
    assert {path.split("/")[0] for path in at_rest(rw)} <= {
        "files",
        "wal",
        "ballast",
        "artstore-element.json",
        "mode.json",
    }
    assert len(rw.data()) == len(KEPT)


async def test_tus(ingester: Ingester, tus: Tus, rw: ElementProcess) -> None:
    path = await tus.begin(10)
    before = at_rest(rw)
    for case in tus_cases(path):
        check(case, await sent(ingester, case))
        await until(lambda: at_rest(rw) == before, 60)
        assert await tus.offset(path) == 0, case.name
    assert (await tus.ask("DELETE", path)).status_code == 204
    assert rw.files() == []


PARTS: list[tuple[str, Any]] = [
    ("no JSON", b"{"),
    ("a list", []),
    ("no name", {"size": 5}),
    ("no size", {"filename": "a.txt"}),
    ("a negative size", {"filename": "a.txt", "size": -1}),
    ("a size in words", {"filename": "a.txt", "size": "all"}),
    ("NUL in a name", {"filename": "a\0.txt", "size": 5}),
    ("a line break in a name", {"filename": "a\r\nX-Evil: 1", "size": 5}),
    ("a name that is a directory", {"filename": "..", "size": 5}),
    ("a name of 2,000 letters", {"filename": "я" * 2000, "size": 5}),
    ("half of a surrogate pair in a name", b'{"filename": "\\ud800", "size": 5}'),
    ("a description of a hundred kilobytes", {"filename": "a.txt", "size": 5, "description": "x" * 100_000}),
    ("10,000 tags", {"filename": "a.txt", "size": 5, "tags": [str(number) for number in range(10_000)]}),
    (
        "metadata a thousand levels deep",
        b'{"filename": "a", "size": 5, "metadata": ' + b'{"a":' * 1000 + b"1" + b"}" * 1001,
    ),
    ("an unknown field", {"filename": "a.txt", "size": 5, "colour": "red"}),
    ("a policy nobody knows", {"filename": "a.txt", "size": 5, "retention_policy": "x"}),
]


async def test_signed_parts(ingester: Ingester, rw: ElementProcess) -> None:
    before = at_rest(rw)
    headers = ingester.issuer.bearer() | {"Content-Type": "application/json"}
    for name, asked in PARTS:
        content = asked if isinstance(asked, bytes) else json.dumps(asked).encode()
        answer = await ingester.http.post(UPLOADS, content=content, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR"), (name, answer.text)
        assert at_rest(rw) == before, name
    program = {"filename": "\u202egpj.scr", "size": 5}
    answer = await ingester.http.post(UPLOADS, json=program, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "TYPE_NOT_ALLOWED")
    assert at_rest(rw) == before


@pytest.mark.parametrize("content", [b"hello", LARGE], ids=["small", "large"])
async def test_a_mode_that_forbids_it(ingester: Ingester, tus: Tus, content: bytes) -> None:
    """Admin believes that the element takes files, and it does not."""
    element = ingester.element("se-1", Mode.RO)
    element.mode = Mode.RW
    before = at_rest(element)
    form = body(file(content))
    unknown = body(field("retention_policy", "temporary"), file(content))
    for answer in (
        await ingester.send(form),
        await ingester.send(unknown),
        await tus.ask("POST", "/api/v1/uploads", {"Upload-Length": "5"}),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "NO_STORAGE_AVAILABLE"), answer.text
        assert "retry-after" in answer.headers
    assert at_rest(element) == before


class TestSilence:
    @pytest.fixture
    def limits(self) -> dict[str, object]:
        return {"idle_seconds": 0.5}

    async def test_more_announced_than_sent(self, ingester: Ingester, rw: ElementProcess) -> None:
        """The form is whole, the request is not, and its client waits: the file did not arrive."""
        before, form = at_rest(rw), body(file())
        check(Case("", form), await sent(ingester, Case("", form, length=len(form) + 1)))
        assert at_rest(rw) == before
