"""What is searched for: every mode, and twenty combinations of filters, each with several values drawn in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Final

Bodies = Sequence[Mapping[str, Any]]

_WORDS: Final = (
    "жарвол",
    "насосов 2024",
    "invoice 2019",
    "bridge",
    "договор",
    "отчёт о командировке",
    "annual report",
    "сметы",
)
_BEGUN: Final = ("жарв", "командир", "invoi", "мост 2023", "презент", "анке")
_WRONG: Final = ("преказ", "invioce", "командеровка", "презинтация")


def _each(**choices: Sequence[Any]) -> Bodies:
    return [dict(zip(choices, chosen, strict=True)) for chosen in product(*choices.values())]


MODES: Final[Mapping[str, Bodies]] = {
    "exact": _each(
        query=("Протокол_склада_Савмил-2020.pdf", "договоры", "hr", "IMG_20240709_180001.jpg"), mode=("exact",)
    ),
    "partial": _each(query=_BEGUN, mode=("partial",)),
    "partial, one or two letters": _each(query=("де", "ж", "in"), mode=("partial",)),
    "partial, mistyped (nothing is found at first)": _each(query=_WRONG, mode=("partial",)),
    "fulltext": _each(query=_WORDS),
    "fulltext, phrase": _each(query=('"охраны труда"', '"annual report"', '"мост через реку"', '"pump station" 2021')),
    "fulltext, exclusion and or": _each(query=("bridge -drawing", "счёт or invoice", "смета -склада -ремонта")),
    "fulltext, last word begun (nothing is found at first)": _each(
        query=("презентац", "договор командировк", "invoic")
    ),
}

FILTERS: Final[Mapping[str, Bodies]] = {
    "nothing: all files, newest first": [{}],
    "extension": _each(file_extension=("pdf", "dwg", "csv")),
    "tag": _each(tags=(["договоры"], ["медицина"], ["таможня"])),
    "two tags": _each(tags=(["договоры", "сканы"], ["медицина", "реклама"])),
    "account": _each(uploaded_by=("sa:sa_scanner_x7k2", "user:петба")),
    "content type": _each(content_type=("image/jpeg", "video/mp4")),
    "temporary": [{"retention_policy": "temporary"}],
    "damaged": [{"status": "damaged"}],
    "size, largest first": _each(min_size=(10_000_000,), sort_by=("size",)),
    "size between": [{"min_size": 1_000_000, "max_size": 1_100_000}],
    "of one year": [{"uploaded_after": "2021-01-01T00:00:00Z", "uploaded_before": "2022-01-01T00:00:00Z"}],
    "of one day, by name": [
        {
            "uploaded_after": "2026-03-02T00:00:00Z",
            "uploaded_before": "2026-03-03T00:00:00Z",
            "sort_by": "original_filename",
        }
    ],
    "metadata": _each(metadata=({"project": "p7"}, {"project": "p450"})),
    "part of a name": _each(filename=("насос", "жарв")),
    "part of a name, extension": _each(filename=("отчет", "invoice"), file_extension=("pdf", "xlsx")),
    "tag, size, extension": [{"tags": ["фото"], "min_size": 1_000_000, "file_extension": "jpg"}],
    "words, extension": _each(query=("договор", "bridge"), file_extension=("pdf",)),
    "words, tag, year": _each(query=("отчёт", "invoice"), tags=(["архив"],), uploaded_after=("2026-01-01T00:00:00Z",)),
    "words, newest first": _each(query=("насосов", "annual"), sort_by=("uploaded_at",)),
    "words, five facets": _each(
        query=("жарвол", "invoice 2019"),
        facets=(["file_extension", "tags", "content_type", "retention_policy", "year"],),
    ),
}
