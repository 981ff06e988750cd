"""One table of requests, and the same answer to each on every way to the bytes."""

from __future__ import annotations

import base64
import hashlib

import pytest
from artstore_transfer import http_date
from byte_ways import redirects
from range_cases import CASES, Case
from range_files import Stored, store_samples
from range_ways import REDIRECTED, Answer, Way, digest, ways_of
from world import World

pytestmark = pytest.mark.e2e
CODES = {412: "PRECONDITION_FAILED", 416: "INVALID_RANGE"}


@pytest.fixture(scope="module")
def samples(world: World) -> dict[str, Stored]:
    return store_samples(world)


@pytest.fixture(scope="module")
def ways(world: World) -> list[Way]:
    return ways_of(world)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_way_gives_the_same_answer(case: Case, samples: dict[str, Stored], ways: list[Way]) -> None:
    stored = samples[case.file]
    asked = {way.name: way.ask(stored, case) for way in ways}
    got = {name: Answer.of(answer) for name, answer in asked.items() if answer is not None}
    assert len(got) >= 4
    first = next(iter(got.values()))
    check(case, stored, first)
    assert got == dict.fromkeys(got, first)


def test_the_gateway_did_go_to_the_element_itself(world: World, samples: dict[str, Stored], ways: list[Way]) -> None:
    """Or the table would compare query with itself."""
    before, taken = redirects(world), 0
    for way in ways:
        for status in (200, 206, 304, 412, 416):
            case = next(case for case in CASES if case.status == status)
            assert way.ask(samples[case.file], case) is not None
            taken += way.name.startswith(REDIRECTED)
    assert redirects(world) - before == taken == 10


def test_there_are_enough_of_them() -> None:
    assert len({case.name for case in CASES}) == len(CASES) > 60


def check(case: Case, stored: Stored, got: Answer) -> None:
    """Against what the table and the sample say."""
    assert got.status == case.status
    if case.status < 400:
        assert got.headers == expected_headers(case, stored)
        assert got.body == digest(expected_bytes(case, stored))
    elif case.method != "HEAD":
        assert isinstance(got.body, dict)
        assert got.body["code"] == CODES[case.status]
    assert got.headers.get("content-range") == content_range(case, stored)


def borders(case: Case, stored: Stored) -> tuple[int, int]:
    start, stop, _ = slice(*(case.part or (0, None))).indices(stored.size)
    return start, stop


def expected_bytes(case: Case, stored: Stored) -> bytes:
    if case.method == "HEAD" or case.status == 304:
        return b""
    start, stop = borders(case, stored)
    return stored.sample.content[start:stop]


def content_range(case: Case, stored: Stored) -> str | None:
    if case.status == 416:
        return f"bytes */{stored.size}"
    start, stop = borders(case, stored)
    return f"bytes {start}-{stop - 1}/{stored.size}" if case.status == 206 else None


def expected_headers(case: Case, stored: Stored) -> dict[str, str]:
    """All of them: one more would be a way's own."""
    sample = stored.sample
    headers = {
        "accept-ranges": "bytes",
        "cache-control": "private, no-cache",
        "etag": stored.etag,
        "last-modified": http_date(stored.modified),
        "x-content-type-options": "nosniff",
    }
    if sample.content_type != "application/pdf":
        headers["content-security-policy"] = "default-src 'none'; sandbox"
    if case.status == 304:
        return headers
    start, stop = borders(case, stored)
    whole = f"sha-256=:{base64.b64encode(hashlib.sha256(sample.content).digest()).decode()}:"
    headers |= {
        "content-type": sample.content_type,
        "content-length": str(stop - start),
        "content-disposition": sample.shown.replace("inline;", f"{case.disposition or 'inline'};", 1),
        "repr-digest": whole,
    }
    if case.status == 200 and case.method == "GET":
        headers["content-digest"] = whole
    if range_told := content_range(case, stored):
        headers["content-range"] = range_told
    return headers
