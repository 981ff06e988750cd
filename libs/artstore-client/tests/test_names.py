"""Names that attack a file system or a terminal."""

from __future__ import annotations

import json
import unicodedata

import pytest
from artstore_client.names import for_json, for_path, for_terminal, from_disposition
from hypothesis import given
from hypothesis import strategies as st

ANY_TEXT = st.text(alphabet=st.characters(codec=None), max_size=400)


@given(ANY_TEXT)
def test_any_name_becomes_one_plain_component(name: str) -> None:
    safe = for_path(name, "fallback")
    assert safe
    assert "/" not in safe
    assert "\\" not in safe
    assert safe[0] not in ".-"
    assert len(safe.encode()) <= 240
    assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in safe)


def test_a_long_name_keeps_its_extension() -> None:
    assert for_path("я" * 300 + ".pdf", "x") == "я" * 118 + ".pdf"


@given(ANY_TEXT)
def test_nothing_that_a_terminal_obeys_gets_through(text: str) -> None:
    shown = for_terminal(text)
    assert not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in shown)
    assert not any(unicodedata.bidirectional(char) in ("RLO", "LRO", "RLE", "LRI", "RLI", "PDF") for char in shown)


@given(st.text(max_size=200))
def test_json_stays_the_same_text(text: str) -> None:
    document = for_json(json.dumps({"name": text}, ensure_ascii=False))
    assert json.loads(document) == {"name": text}
    assert "\x9b" not in document
    assert "\u202e" not in document


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("attachment; filename*=UTF-8''%D0%BE%D1%82%D1%87%D1%91%D1%82.pdf", "отчёт.pdf"),
        ("attachment; filename=\"plain.pdf\"; filename*=UTF-8''b%20c.pdf", "b c.pdf"),
        ('attachment; filename="say \\"hi\\".txt"', 'say "hi".txt'),
        ("attachment; filename=token.txt", "token.txt"),
        ("attachment; filename*=UTF-8''%ff", "\ufffd"),
        ("attachment", None),
        ("", None),
    ],
)
def test_the_name_in_a_header(header: str, name: str | None) -> None:
    assert from_disposition(header) == name
