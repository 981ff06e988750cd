"""What was agreed on a resumable upload, and how many of its bytes are safe: the content of <id>.upload.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from storage_element.store.changes import Change, ChangeKind

_SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Agreement:
    """`size` is the most that the upload may grow to, in bytes; None when nobody knew. `parts` are the uploads whose
    bytes it is made of, where it is made of any, and `joined` whether it holds them all.

    `part_of` is the upload that it is to become a part of; it need not be there yet.

    `received` bytes are flushed, for certain. A file may be longer after a power cut, by bytes that never came: the
    length of a file is written before what is in it. `mark` tells this upload from another one of the same id.

    `part_size`, where there is one, is that of parts that come in any order, but for the last one, which may be shorter;
    what is there of them is noted elsewhere (`store.part`). Once it is `sealed` none is taken any more.

    `context` is whatever the one who began it wants to be told again later: nothing here looks into it.
    """

    upload_id: UUID
    size: int | None
    created_at: datetime
    parts: tuple[UUID, ...] = ()
    joined: bool = True
    received: int | None = 0
    part_of: UUID | None = None
    mark: str = field(default_factory=lambda: uuid4().hex)
    context: Mapping[str, Any] | None = None
    part_size: int | None = None
    sealed: bool = False

    @property
    def part_count(self) -> int:
        return -(-(self.size or 0) // self.part_size) if self.part_size else 0

    def part_offset(self, number: int) -> int:
        """Where a part, counted from 1, begins."""
        return (number - 1) * (self.part_size or 0)

    def part_length(self, number: int) -> int:
        """What a part has in bytes."""
        return min(self.part_size or 0, (self.size or 0) - self.part_offset(number))

    def with_received(self, size: int) -> Agreement:
        return replace(self, received=size)

    def with_size(self, size: int) -> Agreement:
        return replace(self, size=size)

    def as_sealed(self) -> Agreement:
        return replace(self, sealed=True)

    def with_parts(self, parts: tuple[UUID, ...], *, joined: bool, received: int | None) -> Agreement:
        return replace(self, parts=parts, joined=joined, received=received)

    def change(self) -> Change:
        """As it goes through the log."""
        return Change(ChangeKind.STAGED, self.upload_id, encode(self))


def encode(agreement: Agreement) -> bytes:
    content = {
        "schema_version": _SCHEMA_VERSION,
        "upload_id": str(agreement.upload_id),
        "size": agreement.size,
        "created_at": agreement.created_at.isoformat(),
        "received": agreement.received,
        "mark": agreement.mark,
    }
    if agreement.context is not None:
        content["context"] = dict(agreement.context)
    if agreement.part_of is not None:
        content["part_of"] = str(agreement.part_of)
    if agreement.part_size is not None:
        content |= {"part_size": agreement.part_size, "sealed": agreement.sealed}
    if agreement.parts:
        content |= {"parts": [str(part) for part in agreement.parts], "joined": agreement.joined}
    return json.dumps(content).encode()


def decode(upload_id: UUID, text: bytes) -> Agreement:
    """Raises ValueError for what is none. One from before `received` was kept has None: its length is all there is."""
    content = json.loads(text)
    try:
        size, created_at = content["size"], datetime.fromisoformat(content["created_at"])
        parts = tuple(UUID(part) for part in content.get("parts", []))
        part_of = UUID(content["part_of"]) if "part_of" in content else None
        joined, received, mark = content.get("joined", True), content.get("received"), content.get("mark", "")
        context = content.get("context")
        part_size, sealed = content.get("part_size"), content.get("sealed", False)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError("not an agreement") from error
    if (
        not all(number is None or isinstance(number, int) for number in (size, received, part_size))
        or created_at.tzinfo is None
    ):
        raise ValueError("not an agreement")
    if (
        not isinstance(joined, bool)
        or not isinstance(sealed, bool)
        or not isinstance(mark, str)
        or not isinstance(context, dict | None)
    ):
        raise ValueError("not an agreement")
    if part_size is not None and (size is None or part_size < 1):
        raise ValueError("not an agreement")
    return Agreement(upload_id, size, created_at, parts, joined, received, part_of, mark, context, part_size, sealed)
