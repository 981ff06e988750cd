"""One entry of the audit log, as a service reports it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from math import isfinite
from typing import Any
from uuid import UUID

from artstore_core.ids import new_id

MAX_TEXT = 300
MAX_DETAILS = 10
MAX_TARGET = 500
ANONYMOUS = "anonymous"


class Outcome(StrEnum):
    DONE = "done"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Entry:
    """`action` is `<noun>.<what happened>`; `target` names the one thing it happened to. `details` hold no secrets.

    Texts come from outside: they are cut and made fit for PostgreSQL, for an entry that cannot be kept is one that a
    clever request would use to leave no trace.
    """

    actor: str
    action: str
    outcome: Outcome
    target: str | None = None
    address: str | None = None
    request_id: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    happened_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    entry_id: UUID = field(default_factory=new_id)

    def __post_init__(self) -> None:
        for name in ("actor", "action"):
            object.__setattr__(self, name, clean(getattr(self, name)))
        for name, most in (("target", MAX_TARGET), ("address", MAX_TEXT), ("request_id", MAX_TEXT)):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, clean(value, most))
        few = list(self.details.items())[:MAX_DETAILS]
        object.__setattr__(self, "details", {clean(str(name)): _plain(value) for name, value in few})


def clean(text: str, most: int = MAX_TEXT) -> str:
    """Without control characters and lone surrogates, and no longer than `most` characters."""
    fit = text[:most].encode("utf-8", "replace").decode()
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in fit)


def _plain(value: Any) -> str | int | float | bool | None:
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and isfinite(value)):
        return value
    return clean(str(value))
