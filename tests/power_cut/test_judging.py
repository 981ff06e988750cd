"""Does the harness tell a loss from what a cut may do? It is worth nothing if it takes everything for well."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from power_cut.judging import Kind, judge_bytes, judge_record, judge_strangers
from power_cut.promises import Append, Content, FileHistory, Ledger, State, Step, UploadHistory

FILE = UUID(int=1)
CONTENT = Content(seed=1, size=100)
FIRST = State("a.bin", 100, CONTENT.checksum, "before", ("x",), "{}", revision=1)
SECOND = replace(FIRST, description="after", revision=2)
GONE = SECOND.deleted()
HISTORY = FileHistory(CONTENT, [Step(FIRST, 10, 20), Step(SECOND, 30, 40), Step(GONE, 50, 60)])


@pytest.mark.parametrize(
    ("moment", "possible"),
    [
        (9, [None]),
        (15, [None, FIRST]),
        (20, [FIRST]),
        (35, [FIRST, SECOND]),
        (40, [SECOND]),
        (55, [SECOND, GONE]),
        (60, [GONE]),
    ],
)
def test_what_may_be_there(moment: int, possible: list[State | None]) -> None:
    assert HISTORY.possible(moment) == possible
    for state in possible:
        assert judge_record(FILE, HISTORY, moment, state) is None


@pytest.mark.parametrize(
    ("moment", "seen", "kind", "words"),
    [
        (20, None, Kind.LOST, "not there"),
        (45, None, Kind.LOST, "not there"),
        (45, FIRST, Kind.LOST, "change is undone"),
        (60, SECOND, Kind.LOST, "delete is undone"),
        (25, replace(FIRST, status="damaged"), Kind.LOST, "damaged"),
        (15, replace(FIRST, status="damaged"), Kind.CORRUPT, "in part"),
        (25, replace(FIRST, description="?"), Kind.CORRUPT, "description is '?', not 'before'"),
        (45, replace(SECOND, description="before"), Kind.CORRUPT, "nobody sent"),
    ],
)
def test_what_may_not_be_there(moment: int, seen: State | None, kind: Kind, words: str) -> None:
    finding = judge_record(FILE, HISTORY, moment, seen)
    assert finding is not None
    assert finding.kind is kind
    assert words in finding.what


def test_answer_that_never_came_promises_nothing() -> None:
    history = FileHistory(CONTENT, [Step(FIRST, 10, None)])
    assert history.possible(1000) == [None, FIRST]
    assert not history.is_promised(1000)


def test_bytes() -> None:
    assert judge_bytes(FILE, HISTORY, 25, CONTENT.checksum) is None
    other = judge_bytes(FILE, HISTORY, 25, "0" * 64)
    assert other is not None
    assert other.kind is Kind.CORRUPT
    unreadable = judge_bytes(FILE, HISTORY, 25, None)
    assert unreadable is not None
    assert unreadable.kind is Kind.LOST


def test_file_that_nobody_sent_by_then() -> None:
    assert judge_strangers({FILE: FIRST}, {FILE: HISTORY}, 15) == []
    assert [finding.kind for finding in judge_strangers({FILE: FIRST}, {FILE: HISTORY}, 5)] == [Kind.CORRUPT]
    assert [finding.kind for finding in judge_strangers({FILE: FIRST}, {}, 15)] == [Kind.CORRUPT]


def test_upload_owes_what_was_answered_and_may_hold_what_was_sent() -> None:
    upload = UploadHistory(CONTENT, [Append(0, 10, 20), Append(50, 30, 40), Append(100, 50, None)])
    assert upload.offsets(15) is None
    assert upload.offsets(25) == (0, 0)
    assert upload.offsets(35) == (0, 50)
    assert upload.offsets(45) == (50, 50)
    assert upload.offsets(1000) == (50, 100)


def test_ledger_counts_what_was_answered() -> None:
    upload = UploadHistory(CONTENT, [Append(0, 1, 5), Append(50, 6, None)])
    ledger = Ledger({FILE: HISTORY}, {FILE: upload})
    assert ledger.answered == [(1, 5), (10, 20), (30, 40), (50, 60)]


def test_state_of_a_deleted_file_is_only_that() -> None:
    record = {
        "original_filename": "a.bin",
        "size": 100,
        "checksum": CONTENT.checksum,
        "description": "whatever",
        "tags": ["a"],
        "metadata": {},
        "revision": 9,
        "status": "deleted",
    }
    assert State.of(record) == GONE
