"""What an element's lists say, read and checked before any of it is believed.

One page is one answer. A page that is not whole, or not in order, is nobody's to use: it raises TornAnswer. A file of it
that the registry cannot hold is left out and named, and the others are used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, NamedTuple, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from admin_service.registry.files import HeldFile

LARGEST_BIGINT: Final = 2**63 - 1


class TornAnswer(Exception):
    """A page that cannot be what the element meant to say; the message says why, for an operator."""


class Refused(NamedTuple):
    """A file that is there, and that the registry cannot hold."""

    file_id: UUID
    why: str


@dataclass(frozen=True, slots=True)
class FilesPage:
    """`ids` are all of the page, in order, those that were refused too. `total`: how many files the element has."""

    files: Sequence[HeldFile]
    refused: Sequence[Refused]
    ids: Sequence[UUID]
    total: int
    has_more: bool


@dataclass(frozen=True, slots=True)
class ChangesPage:
    """`last` is where to go on; `end` is the feed's own last change."""

    files: Sequence[HeldFile]
    refused: Sequence[Refused]
    ids: Sequence[UUID]
    epoch: UUID
    last: int
    end: int
    has_more: bool


class _Listing(BaseModel):
    items: list[HeldFile]
    total: Annotated[int, Field(ge=0)]
    has_more: bool


class _Changed(BaseModel):
    sequence: Annotated[int, Field(ge=1, le=LARGEST_BIGINT)]
    file: HeldFile


class _Feed(BaseModel):
    epoch: UUID
    items: list[_Changed]
    sequence: Annotated[int, Field(ge=0, le=LARGEST_BIGINT)]
    has_more: bool


Page = TypeVar("Page", bound=BaseModel)
_FILE: Final = TypeAdapter(HeldFile)
_ID: Final = TypeAdapter(UUID)


def read_files(content: bytes, after: UUID | None) -> FilesPage:
    """A page of the walk behind `after`. Raises TornAnswer."""
    try:
        page, refused = _Listing.model_validate_json(content), list[Refused]()
        ids = [file.file_id for file in page.items]
    except ValidationError:
        fields = _object(content)
        files, refused, ids = _one_by_one(fields, lambda item: item)
        page = _checked(_Listing, fields).model_copy(update={"items": files})
    _check_order(ids, after)
    if page.has_more and not ids:
        raise TornAnswer("a page of its list is empty and not the last")
    return FilesPage(page.items, refused, ids, page.total, page.has_more)


def read_changes(content: bytes, after: int) -> ChangesPage:
    """A page of the feed behind `after`. Raises TornAnswer."""
    try:
        page, refused = _Feed.model_validate_json(content), list[Refused]()
        files = [item.file for item in page.items]
        ids, numbers = [file.file_id for file in files], [item.sequence for item in page.items]
    except ValidationError:
        fields = _object(content)
        files, refused, ids = _one_by_one(fields, lambda item: item.get("file"))
        page = _checked(_Feed, fields)
        numbers = [_number(item) for item in fields["items"]]
    if any(one >= other for one, other in zip([after, *numbers], numbers, strict=False)):
        raise TornAnswer("its changes are not in order")
    if page.has_more and not numbers:
        raise TornAnswer("a page of its changes is empty and not the last")
    last = numbers[-1] if numbers else after
    if page.sequence < last:
        raise TornAnswer("its changes go beyond their own end")
    return ChangesPage(_last_of_each(files), refused, ids, page.epoch, last, page.sequence, page.has_more)


def _check_order(ids: Sequence[UUID], after: UUID | None) -> None:
    before = -1 if after is None else after.int
    for file_id in ids:
        if file_id.int <= before:
            raise TornAnswer("its list is not in the order of ids")
        before = file_id.int


def _last_of_each(files: list[HeldFile]) -> list[HeldFile]:
    """One statement can write a row once."""
    newest = {file.file_id: file for file in files}
    return files if len(newest) == len(files) else list(newest.values())


def _object(content: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(content)
    except ValueError:
        raise TornAnswer("its answer is not JSON") from None
    if not isinstance(fields, dict) or not isinstance(fields.get("items"), list):
        raise TornAnswer("its answer is not a list")
    return fields


def _checked(model: type[Page], fields: Mapping[str, Any]) -> Page:
    """All but the items."""
    try:
        return model.model_validate({**fields, "items": []})
    except ValidationError:
        raise TornAnswer("its answer is not a page") from None


def _number(item: Any) -> int:
    number = item.get("sequence")
    if not isinstance(number, int) or not 1 <= number <= LARGEST_BIGINT:
        raise TornAnswer("a change has no number")
    return number


def _one_by_one(fields: Mapping[str, Any], file_of: Any) -> tuple[list[HeldFile], list[Refused], list[UUID]]:
    """A file without a readable id cannot be told from one that is not there, so it tears the page."""
    files, refused, ids = list[HeldFile](), list[Refused](), list[UUID]()
    for item in fields["items"]:
        given = file_of(item) if isinstance(item, dict) else None
        try:
            ids.append(_ID.validate_python(given.get("file_id") if isinstance(given, dict) else None))
        except ValidationError:
            raise TornAnswer("a file of its list has no id") from None
        try:
            files.append(_FILE.validate_python(given))
        except ValidationError as error:
            refused.append(Refused(ids[-1], _words(error)))
    return files, refused, ids


def _words(error: ValidationError) -> str:
    """Which field, and what is wrong with it; never what stands in it."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'file'}: {first['msg']}"[:300]
