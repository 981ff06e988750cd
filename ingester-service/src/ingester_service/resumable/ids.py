"""Ids of uploads that tell on which element they are, to those who know the elements.

An id is a UUIDv7 (RFC 9562 §5.7). Its twelve bits `rand_a` are not random here: they are the front of a hash of the
element's id and of all other bits. So a replica that never heard of an upload knows whom to ask, mostly one element of
thousands, and needs no memory for it. Nobody learns an element's id from it, nor that two uploads lie on the same one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from artstore_core.ids import new_id

_AT: Final = 64
"""How far `rand_a` stands from the end of the number, in bits."""
_BITS: Final = 0xFFF << _AT
_TAIL: Final = (1 << 62) - 1
"""`rand_b`: the last bits, by which elements choose their directories."""


def id_on(storage_id: str, base: UUID | None = None) -> UUID:
    """A new id for an upload on this element; of the same `base`, the same each time."""
    return _marked(base or new_id(), storage_id)


def joined_id(parts: Sequence[UUID], storage_id: str) -> UUID:
    """The id of what is made of these parts, in this order, on this element: the same each time it is asked for, so that
    a request that is sent again makes no second file."""
    tail = hashlib.sha256(b"".join(part.bytes for part in parts)).digest()[:8]
    number = (parts[0].int & ~_TAIL) | (int.from_bytes(tail, "big") & _TAIL)
    return _marked(UUID(int=number), storage_id)


def may_be_on(upload_id: UUID, storage_id: str) -> bool:
    """Certain for the element that it is on; by chance true for one in 4,096 others."""
    return upload_id == _marked(upload_id, storage_id)


def _marked(upload_id: UUID, storage_id: str) -> UUID:
    rest = upload_id.int & ~_BITS
    mark = hashlib.sha256(rest.to_bytes(16, "big") + storage_id.encode()).digest()[:2]
    return UUID(int=rest | (int.from_bytes(mark, "big") & 0xFFF) << _AT)
