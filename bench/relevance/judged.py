"""The corpus and the queries as they stand in the text files beside this, and which file answers a query how well.

A file is judged by meanings (lexicon.txt), not by the search's own idea of a word: 4 where everything meant is in the
name, 3 in a tag, 2 in the description, 1 in the metadata; the mean of those, and one less where words that belong
together stand apart. 0 where one of them is missing.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
NAME, TAG, DESCRIPTION, METADATA = 4, 3, 2, 1
_BRACES: Final = re.compile(r"\{([^{}]*,[^{}]*)\}")
_WORD: Final = re.compile(r"[^\W_]+")
_BARE: Final = str.maketrans({"ё": "е", "ß": "ss"})


@dataclass(frozen=True)
class Document:
    name: str
    description: str
    tags: tuple[str, ...]
    metadata: tuple[tuple[str, str], ...]
    age: int
    """Hours; without any bearing on what is meant, so that the newest are not the best."""


@dataclass(frozen=True)
class Judged:
    """`grades`: name of the document → 1 to 4; what is not in it does not answer the query."""

    kind: str
    mode: str
    query: str
    grades: dict[str, int]


def corpus() -> list[Document]:
    made = [document for line in _lines("corpus.txt") for document in _documents(line)]
    ages = list(range(len(made)))
    random.Random(6).shuffle(ages)
    return [Document(*fields, age) for fields, age in zip(made, ages, strict=True)]


def judged() -> list[Judged]:
    documents, meanings = corpus(), _lexicon()
    read = [(document, _read(document, meanings)) for document in documents]
    found = []
    for line in _lines("queries.txt"):
        kind, mode, query, meant = (part.strip() for part in line.split(" | "))
        grades = {document.name: _grade(meant, document, texts) for document, texts in read}
        found.append(Judged(kind, mode, query, {name: grade for name, grade in grades.items() if grade}))
    return found


def _lines(name: str) -> Iterator[str]:
    for line in (HERE / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line


def _documents(line: str) -> Iterator[tuple[str, str, tuple[str, ...], tuple[tuple[str, str], ...]]]:
    pieces = _BRACES.split(line)
    choices = [[piece] if place % 2 == 0 else piece.split(",") for place, piece in enumerate(pieces)]
    for chosen in product(*choices):
        name, description, tags, metadata = (part.strip() for part in f"{''.join(chosen)} ".split("|"))
        values = [tuple(one.strip().split("=", 1)) for one in metadata.split(";") if one.strip()]
        yield (
            name,
            description,
            tuple(tag.strip() for tag in tags.split(",") if tag.strip()),
            tuple((key, value) for key, value in values),
        )


def _lexicon() -> dict[str, str]:
    pairs = (line.split(":") for line in _lines("lexicon.txt"))
    return {_plain(form, accents=True): meaning for meaning, forms in pairs for form in forms.split()}


def _plain(text: str, *, accents: bool = False) -> str:
    """Lower case, ё as е; with `accents`, other accents as they are, for forms that they part."""
    text = unicodedata.normalize("NFC", text.lower()).translate(_BARE)
    if accents:
        return text
    return "".join(_bare(char) for char in text)


def _bare(char: str) -> str:
    return char if char == "й" else unicodedata.normalize("NFD", char)[0]


_Texts = list[tuple[int, list[str]]]


def _read(document: Document, meanings: dict[str, str]) -> _Texts:
    """The meanings of every text of a document, in order, with what a text of that place is worth."""
    texts = [(NAME, document.name), (DESCRIPTION, document.description)]
    texts += [(TAG, tag) for tag in document.tags]
    texts += [(METADATA, value) for _, value in document.metadata]
    return [(worth, [_meaning(word, meanings) for word in _WORD.findall(text)]) for worth, text in texts]


def _meaning(word: str, meanings: dict[str, str]) -> str:
    return meanings.get(_plain(word, accents=True)) or meanings.get(_plain(word)) or _plain(word)


def _grade(meant: str, document: Document, texts: _Texts) -> int:
    if meant.startswith("="):
        wanted = _plain(meant[1:])
        if _plain(document.name) == wanted:
            return NAME
        return TAG if meant[1:] in document.tags else 0
    worths: list[int] = []
    apart = False
    for group in meant.split():
        if group.startswith("-"):
            if _best(texts, [group[1:]]):
                return 0
        elif "~" in group:
            words = group.split("~")
            worths += [_best(texts, [word]) for word in words]
            apart = apart or not _best(texts, words)
        else:
            worths.append(max(_best(texts, one.split("_")) for one in group.split("|")))
    if not worths or not all(worths):
        return 0
    return max(1, sum(worths) // len(worths) - apart)


def _best(texts: _Texts, words: list[str]) -> int:
    """Of the texts that have these words side by side, what the best is worth; 0 if none has."""
    size = len(words)
    return max(
        (worth for worth, said in texts if any(said[at : at + size] == words for at in range(len(said)))), default=0
    )
