"""Lists in pages (requirement A4)."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, Field

Item = TypeVar("Item")

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
MAX_OFFSET = 2**31 - 1


class Page(BaseModel, Generic[Item]):
    """`total` counts every item that matches, not those of this page."""

    items: list[Item]
    total: Annotated[int, Field(ge=0)]
    limit: int
    offset: int
    has_more: bool

    @classmethod
    def of(cls, items: list[Item], *, total: int, limit: int, offset: int) -> Page[Item]:
        return cls(items=items, total=total, limit=limit, offset=offset, has_more=offset + len(items) < total)
