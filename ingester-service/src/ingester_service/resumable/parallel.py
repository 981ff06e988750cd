"""Where partial uploads go: to one element, so that it can join them by itself.

Nothing tells which partial uploads belong together before they are joined: tus-js-client's carry no metadata. So those
of one principal within one hour go to the same element where there is room. Where they did not meet, joining copies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

from ingester_service.upload.ports import Element

_PERIOD: Final = 3600.0

Order = Callable[[Sequence[Element], int], list[Element]]


def together(key: str) -> Order:
    """The same order for the same key, whoever asks; those that seem to have no room for so many bytes come last."""

    def order(elements: Sequence[Element], size: int) -> list[Element]:
        return sorted(elements, key=lambda one: ((one.available_bytes or 0) <= size, _score(key, one)))

    return order


def period_key(principal: str, seconds: float) -> str:
    """`seconds` since 1970."""
    return f"{principal} {int(seconds // _PERIOD)}"


def _score(key: str, element: Element) -> bytes:
    return hashlib.sha256(f"{key} {element.storage_id}".encode()).digest()
