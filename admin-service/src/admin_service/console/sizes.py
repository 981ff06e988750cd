"""Sizes as people type them: `500 MiB`, `1,5 ГиБ`."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from artstore_core.errors import ValidationFailed

_POWERS: Final = {
    letter: power for power, letters in enumerate(("", "kк", "mм", "gг", "tт", "pп")) for letter in letters
}
_TYPED: Final = re.compile(r"(?P<number>\d{1,19}(?:[.,]\d{1,6})?)(?P<unit>[kкmмgгtтpп]?)(?:i?b|и?б)?", re.ASCII)
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_SEPARATORS: Final = {ord(space): None for space in " \u00a0\u202f\t"}


def typed_size(text: str | None, field: str) -> int | None:
    """In bytes; a unit is a power of 1024. None for nothing. Raises ValidationFailed, which names `field`."""
    if text is None:
        return None
    found = _TYPED.fullmatch(text.translate(_SEPARATORS).casefold())
    if found is None:
        raise _unclear(field)
    power = _POWERS[found["unit"]] if found["unit"] else 0
    count = Decimal(found["number"].replace(",", ".")) * 1024**power
    if count != int(count):
        raise _unclear(field)
    return int(count)


def exact_size(count: int | None) -> str:
    """What `typed_size` reads as the same number again: for a form."""
    if count is None:
        return ""
    power = 0
    while count and count % 1024 == 0 and power < len(_UNITS) - 1:
        count, power = count // 1024, power + 1
    return f"{count} {_UNITS[power]}"


def _unclear(field: str) -> ValidationFailed:
    return ValidationFailed("The form is not valid", details={field: "must be a size, as 500 MiB or 10 GiB"})
