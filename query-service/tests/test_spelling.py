"""What people paste into a search: letters in two characters, fractions, hyphens and quotes that are no ASCII."""

from __future__ import annotations

import unicodedata

import pytest
from query_support import Query, Row

NAMES = ("Годовой_отчёт-2025.pdf", "Доска 10½.pdf", "чертёж.dwg")


@pytest.fixture
async def stocked(query: Query) -> Query:
    await query.registry.add(*(Row(name) for name in NAMES))
    return query


@pytest.mark.parametrize("mode", ["exact", "partial", "fulltext"])
async def test_a_name_as_macos_writes_it_finds_the_file(stocked: Query, mode: str) -> None:
    name = unicodedata.normalize("NFD", NAMES[0])
    assert name != NAMES[0]
    assert await stocked.names(query=name, mode=mode) == [NAMES[0]]
    assert await stocked.names(filename=name, mode=mode) == [NAMES[0]]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("10½", NAMES[1]),
        ("доск", NAMES[1]),
        ("доска 10½", NAMES[1]),
        ("доска ⑴⑵⑶", None),
        ("ŉabc", None),
        ("abcʼ", None),
        ("11½", None),
        ("зебра½", None),
    ],
)
async def test_a_last_word_that_becomes_several_is_looked_for_as_its_beginning(
    stocked: Query, words: str, found: str | None
) -> None:
    assert await stocked.names(query=words) == ([found] if found else [])


@pytest.mark.parametrize("hyphen", "-‐‑‒–—―−﹣－\xad")
async def test_a_hyphen_within_a_word_parts_it_however_it_is_written(stocked: Query, hyphen: str) -> None:
    assert await stocked.names(query=f"отчёт{hyphen}2025") == [NAMES[0]]


@pytest.mark.parametrize("quote", "”″〝＂ʺ")
async def test_signs_of_inches_make_no_phrase(stocked: Query, quote: str) -> None:
    assert await stocked.names(query=f"отчёт{quote} 2025 годовой{quote}") == [NAMES[0]]


@pytest.mark.parametrize("words", ["€ -чертёж", '"" -чертёж', "отчёт ór -чертёж"])
async def test_what_only_excludes_does_not_read_every_file_in_disguise(stocked: Query, words: str) -> None:
    assert await stocked.names(query=words) == []


async def test_what_excludes_beside_words_still_does(stocked: Query) -> None:
    assert await stocked.names(query="отчёт -чертёж") == [NAMES[0]]
    assert await stocked.names(query="in -чертёж") == []
