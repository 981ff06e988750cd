"""What may be asked (api.md, "Search"). What cannot be honoured is refused, never ignored."""

from __future__ import annotations

import unicodedata
from enum import StrEnum
from typing import Annotated, Any

from artstore_core.files import FileStatus, Metadata, Moment, Tags
from artstore_core.pages import DEFAULT_LIMIT, MAX_LIMIT
from artstore_core.retention import RetentionPolicy
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from query_service.search.words import beginning, indexable, parts

MAX_QUERY = 1000
MAX_BIGINT = 2**63 - 1
MAX_OFFSET = 100_000
"""Every row before it is found and thrown away. A cursor goes on for ever, at the price of the first page."""


class SearchMode(StrEnum):
    """How `query` is compared.

    `exact`: the whole file name, or a whole tag, the tag letter for letter. `partial`: each word is a part of the name,
    description or tags; where none of them has three letters, the beginning of a word there. Where nothing is found, typing
    errors are forgiven in names. `fulltext`: words in any grammatical form in name, tags, description and metadata; `"…"`,
    `or` and `-` as in web searches. Where nothing is found, the last word may be the beginning of one. Letter case, and ё
    or е, matter in tags of `exact` alone.
    """

    EXACT = "exact"
    PARTIAL = "partial"
    FULLTEXT = "fulltext"


class SortBy(StrEnum):
    UPLOADED_AT = "uploaded_at"
    ORIGINAL_FILENAME = "original_filename"
    SIZE = "size"
    RELEVANCE = "relevance"


class SortOrder(StrEnum):
    ASC = "asc"
    DESC = "desc"


class Facet(StrEnum):
    FILE_EXTENSION = "file_extension"
    TAGS = "tags"
    CONTENT_TYPE = "content_type"
    UPLOADED_BY = "uploaded_by"
    RETENTION_POLICY = "retention_policy"
    STATUS = "status"
    YEAR = "year"


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain NUL")
    text.encode()  # a lone surrogate is a UnicodeEncodeError, and that is a ValueError
    return text


def _all_storable(texts: list[str]) -> list[str]:
    return [_storable(text) for text in texts]


def _composed(text: str) -> str:
    """As file names are stored. Names out of macOS have й in two characters, of which only one would be looked for."""
    return unicodedata.normalize("NFC", text)


def _bare(extension: str) -> str:
    return extension.removeprefix(".").lower()


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_QUERY), AfterValidator(_storable)]
Words = Annotated[Annotated[Text, AfterValidator(_composed)] | None, BeforeValidator(_blank_is_none)]
Extension = Annotated[
    str, StringConstraints(min_length=1, max_length=100), AfterValidator(_storable), AfterValidator(_bare)
]
Size = Annotated[int, Field(ge=0, le=MAX_BIGINT)]


class SearchRequest(BaseModel):
    """The body of `POST /api/v1/search`. Sizes in bytes; every filter narrows; null means no filter."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    query: Words = None
    mode: SearchMode = SearchMode.FULLTEXT
    filename: Annotated[
        Words,
        Field(
            description="A part of the file name, one or two letters at the beginning of a word; all of it in mode exact"
        ),
    ] = None
    file_extension: Annotated[Extension | None, BeforeValidator(_blank_is_none)] = None
    tags: Annotated[
        Annotated[Tags, AfterValidator(_all_storable)] | None, Field(description="The file has all of these")
    ] = None
    uploaded_by: Text | None = None
    content_type: Text | None = None
    retention_policy: RetentionPolicy | None = None
    status: Annotated[FileStatus | None, Field(description="Absent: active and damaged")] = None
    min_size: Size | None = None
    max_size: Size | None = None
    uploaded_after: Annotated[Moment | None, Field(description="From this instant on")] = None
    uploaded_before: Annotated[Moment | None, Field(description="Before this instant")] = None
    metadata: Annotated[Metadata | None, Field(description="The file's metadata contains this object")] = None
    sort_by: Annotated[
        SortBy | None, Field(description="Absent: relevance in fulltext and partial with a query, else time")
    ] = None
    sort_order: SortOrder = SortOrder.DESC
    facets: Annotated[list[Facet], Field(max_length=len(Facet))] = []
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET)] = 0
    cursor: Annotated[str | None, Field(max_length=4096, description="`next_cursor` of the page before")] = None
    exact_total: Annotated[bool, Field(description="Count beyond 10,000 too")] = False

    @property
    def by_words(self) -> bool:
        """Whether there are words to highlight, and a score to show."""
        return self.mode is SearchMode.FULLTEXT and self.query is not None

    @property
    def rankable(self) -> bool:
        return self.mode is not SearchMode.EXACT and self.query is not None

    @property
    def order(self) -> SortBy:
        return self.sort_by or (SortBy.RELEVANCE if self.rankable else SortBy.UPLOADED_AT)

    @property
    def can_be_loosened(self) -> bool:
        """Whether, when nothing is found, something like it may be looked for."""
        if self.query is None:
            return False
        if self.mode is SearchMode.PARTIAL:
            return all(indexable(part) for part in parts(self.query))
        return self.mode is SearchMode.FULLTEXT and beginning(self.query) is not None
