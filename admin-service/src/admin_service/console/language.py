"""Russian and English: which one a visitor reads, and the words, from the catalogues as translators write them."""

from __future__ import annotations

import gettext
import io
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from babel import Locale
from babel.dates import format_datetime, format_timedelta
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent

LOCALES: Final = Path(__file__).with_name("locales")
ENGLISH, RUSSIAN = "en", "ru"
LANGUAGES: Final = {ENGLISH: "English", RUSSIAN: "Русский"}
_UNITS: Final = {ENGLISH: ("B", "KiB", "MiB", "GiB", "TiB", "PiB"), RUSSIAN: ("Б", "КиБ", "МиБ", "ГиБ", "ТиБ", "ПиБ")}


class Language:
    """The words and the forms of numbers, sizes and times of one language."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.words = _words(code)
        self._locale = Locale.parse(code)

    def number(self, value: float) -> str:
        return str(format_decimal(value, locale=self._locale))

    def percent(self, part: float, whole: float) -> str:
        return str(format_percent(part / whole if whole else 0, locale=self._locale))

    def size(self, count: float) -> str:
        """Bytes, in the unit that leaves one to four digits."""
        units, power = _UNITS[self.code], 0
        while abs(count) >= 1024 and power < len(units) - 1:
            count, power = count / 1024, power + 1
        digits = "#,##0.#" if count < 10 and power else "#,##0"
        return f"{format_decimal(count, format=digits, locale=self._locale)} {units[power]}"

    def moment(self, value: datetime | str) -> str:
        """UTC, and to the second: what is compared with logs must not be guessed at."""
        return str(format_datetime(_moment(value), "yyyy-MM-dd HH:mm:ss", locale=self._locale))

    def ago(self, value: datetime | str, now: datetime) -> str:
        return str(format_timedelta(_moment(value) - now, add_direction=True, locale=self._locale))


def chosen(asked: str | None, accepts: str) -> str:
    """`asked`: what the visitor chose. `accepts`: the Accept-Language header (RFC 9110 §12.5.4)."""
    if asked in LANGUAGES:
        return asked
    for code in _by_preference(accepts):
        if code in LANGUAGES:
            return code
    return ENGLISH


def _by_preference(accepts: str) -> Sequence[str]:
    weighed = []
    for part in accepts[:200].split(","):
        name, _, weight = part.partition(";q=")
        try:
            weighed.append((-float(weight or 1), name.strip().lower().partition("-")[0]))
        except ValueError:
            continue
    return [code for _, code in sorted(weighed, key=lambda one: one[0])]


def _words(code: str) -> gettext.NullTranslations:
    """All catalogues of a language as one: a part of the console has one of its own."""
    words = Catalog(locale=code)
    for source in sorted((LOCALES / code / "LC_MESSAGES").glob("*.po")):
        with source.open("rb") as file:
            for message in read_po(file, locale=code):
                if message.id:
                    words[message.id] = message
    compiled = io.BytesIO()
    write_mo(compiled, words)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def _moment(value: datetime | str) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
