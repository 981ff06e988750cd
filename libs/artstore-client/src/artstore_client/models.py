"""What ArtStore answers, typed. A file is `artstore_core.files.File`, the word that all of ArtStore shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict, TypeVar

from artstore_core.files import File
from artstore_core.pages import Page
from pydantic import BaseModel, BeforeValidator, ValidationError

from artstore_client.errors import ProtocolError

Model = TypeVar("Model", bound=BaseModel)


class StoredFile(File):
    """A file just uploaded. `registered` is false when it is safe but cannot be found yet (requirement G4)."""

    registered: Annotated[bool, BeforeValidator(lambda value: value is not False)] = True


class SearchHit(File):
    """A file found; score and highlights come with `mode="fulltext"` only."""

    relevance_score: float | None = None
    highlights: Any = None


class SearchPage(Page[SearchHit]):
    """One page of hits. `total` is an estimate when `total_exact` is false (beyond 10,000 hits). `next_cursor`: for the
    page after this one; None on the last."""

    total_exact: bool = True
    facets: dict[str, Any] | None = None
    next_cursor: str | None = None


class SearchFilters(TypedDict, total=False):
    """What a search may ask for besides its words; only what is given is sent. Sizes are in bytes.

    `tags`: all of them. `status` absent means active and damaged.
    """

    mode: Literal["exact", "partial", "fulltext"]
    filename: str
    file_extension: str
    tags: Sequence[str]
    uploaded_by: str
    content_type: str
    retention_policy: Literal["temporary", "permanent"]
    status: Literal["active", "expired", "damaged", "deleted"]
    min_size: int
    max_size: int
    uploaded_after: datetime
    uploaded_before: datetime
    metadata: Mapping[str, Any]
    sort_by: Literal["uploaded_at", "original_filename", "size", "relevance"]
    sort_order: Literal["asc", "desc"]
    facets: Sequence[str]
    exact_total: bool


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A file that arrived whole. `path` is None when it went to a stream; `size` is in bytes, `checksum` is SHA-256."""

    file_id: str
    path: Path | None
    size: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the token says we are. `expires_in` is in seconds."""

    url: str
    subject: str
    client_id: str
    scopes: tuple[str, ...]
    expires_in: float


def parse(model: type[Model], value: Any) -> Model:
    """The model, or ProtocolError: the caller made no mistake, so it is no ValueError of theirs."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ProtocolError(f"the server's answer is not in the expected form: {where}: {first['msg']}") from error


def search_body(
    query: str | None, filters: SearchFilters, *, limit: int, offset: int = 0, cursor: str | None = None
) -> dict[str, Any]:
    """The body of POST /search. Raises ValueError for a time without a zone, TypeError for tags that are one string."""
    body: dict[str, Any] = {"limit": limit, "offset": offset}
    if query is not None:
        body["query"] = query
    if cursor is not None:
        body["cursor"] = cursor
    for name, value in filters.items():
        if value is None:
            continue
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise ValueError(f"{name} needs a time zone")
            value = value.isoformat()
        if name in ("tags", "facets"):
            value = listed(name, value)
        body[name] = value
    return body


def listed(name: str, value: Any) -> list[str]:
    """Guards against `tags="scan"`, which would become four tags of one letter."""
    if isinstance(value, str):
        raise TypeError(f"{name} is a list of strings, not one string")
    return [str(item) for item in value]
