"""What a search answers (requirement A4, and what api.md adds)."""

from __future__ import annotations

from typing import Annotated

from artstore_core.files import File
from artstore_core.pages import Page
from pydantic import BaseModel, Field

from query_service.search.request import Facet


class Found(File):
    """`relevance_score` and `highlights` are there in mode `fulltext` with a query, and only then."""

    relevance_score: Annotated[float, Field(ge=0, description="Higher is better; comparable within one search")] = 0
    highlights: Annotated[
        dict[str, list[str]],
        Field(
            default_factory=dict, description="Field → pieces of HTML: the text escaped, the words found within <mark>"
        ),
    ]


class FacetValue(BaseModel):
    value: str
    count: int


class SearchAnswer(Page[Found]):
    """`total` is exact when `total_exact` says so, and an estimate otherwise."""

    total_exact: bool
    ranking_exact: Annotated[
        bool,
        Field(
            description="False: sorted by relevance, and of so many hits only those were ranked that are among the newest "
            "and have the most words in their names; the rest comes behind them, unranked"
        ),
    ]
    facets: dict[Facet, list[FacetValue]]
    facets_exact: Annotated[
        bool, Field(description="False: of very many hits, about 10,000 of the newest were counted")
    ]
    next_cursor: str | None
