"""An element's own refusals, handed on: admin's caller learns what the element said, if it is one of the agreed errors."""

from __future__ import annotations

from typing import Annotated, Final, NoReturn

import httpx
from artstore_core.errors import BY_CODE, StorageUnavailable
from pydantic import BaseModel, StringConstraints, ValidationError

from admin_service.clients.errors import AN_ERROR, NOT_NOW
from admin_service.registry.calls import ElementAnswersWrongly, ElementUnreachable

_HANDED_ON: Final = frozenset(
    {
        "VALIDATION_ERROR", "NOT_FOUND", "CONFLICT", "MODE_NOT_ALLOWED", "INVALID_TRANSITION", "CONFIRMATION_REQUIRED",
        "FILE_DAMAGED", "GONE", "PRECONDITION_FAILED", "STORAGE_FULL",
    }
)  # fmt: skip
_Text = Annotated[str, StringConstraints(max_length=1000)]


class _Error(BaseModel):
    code: _Text
    message: _Text
    details: dict[_Text, _Text] | None = None


class _ErrorAnswer(BaseModel):
    error: _Error


def refused(status: int, content: bytes) -> NoReturn:
    """Raises what an answer that is no success means."""
    if status in (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.TOO_MANY_REQUESTS):
        raise ElementUnreachable(NOT_NOW)
    try:
        said = _ErrorAnswer.model_validate_json(content).error
    except ValidationError:
        raise ElementAnswersWrongly(AN_ERROR) from None
    kind = BY_CODE.get(said.code)
    if said.code not in _HANDED_ON or kind is None or kind.status != status or issubclass(kind, StorageUnavailable):
        raise ElementAnswersWrongly(AN_ERROR)
    raise kind(said.message, details=said.details)
