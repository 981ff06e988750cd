"""`limit` and `offset` of a list (requirement A4)."""

from __future__ import annotations

from typing import Annotated

from artstore_core.pages import DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET
from fastapi import Query
from pydantic import BaseModel, Field


class PageParams(BaseModel):
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET)] = 0


Paging = Annotated[PageParams, Query()]
"""Use as a route parameter's type."""
