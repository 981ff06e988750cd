"""What the fields of the form mean (requirement G1). Each is checked as soon as it is read, before a file is sent on."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from artstore_core.errors import ValidationFailed
from artstore_core.files import Description, Metadata, Tags
from artstore_core.retention import RetentionPolicy, settle_ttl
from pydantic import TypeAdapter, ValidationError

from ingester_service.upload.incoming import Retention, Told

_DESCRIPTION: Final = TypeAdapter[str](Description)
_TAGS: Final = TypeAdapter[list[str]](Tags)
_METADATA: Final = TypeAdapter[dict[str, Any]](Metadata)

CHOOSING: Final = frozenset({"retention_policy", "ttl_days"})
"""They decide which element is written to, so they cannot come after the bytes."""
KNOWN: Final = frozenset({"description", "tags", "metadata"}) | CHOOSING
_MAX_DIGITS: Final = 9
_Value = TypeVar("_Value")


def refused(name: str, reason: str) -> ValidationFailed:
    return ValidationFailed("The form is not valid", details={name: reason})


@dataclass(slots=True)
class Fields:
    """The form's fields so far. An empty one counts as absent: that is how browsers send a box left empty."""

    description: str | None = None
    tags: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    retention_policy: RetentionPolicy | None = None
    ttl_days: int | None = None
    _seen: set[str] = field(default_factory=set)

    def expect(self, name: str, *, after_file: bool) -> None:
        """Before a field's value is read. Raises ValidationFailed for one that cannot come here."""
        shown = name[:100]
        if name not in KNOWN:
            raise refused(shown, "is not a field of this form")
        if after_file and name in CHOOSING:
            raise refused(name, "must come before the file, or in the query string")
        if name in self._seen and name != "tags":
            raise refused(name, "is given twice")
        self._seen.add(name)

    def take(self, name: str, raw: bytes) -> None:
        """Raises ValidationFailed naming the field."""
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise refused(name, "must be UTF-8") from None
        if not text.strip():
            return
        try:
            self._set(name, text)
        except ValidationError as error:
            finding = error.errors(include_input=False, include_url=False)[0]
            raise refused(name, str(finding["msg"])) from None
        except (ValueError, RecursionError):
            raise refused(name, "is not valid") from None

    def _set(self, name: str, text: str) -> None:
        match name:
            case "description":
                self.description = _DESCRIPTION.validate_python(text)
            case "tags":
                self.tags = _TAGS.validate_python(self.tags + self._tags(text))
            case "metadata":
                self.metadata = _METADATA.validate_python(_object(text))
            case "retention_policy":
                self.retention_policy = _policy(text)
            case "ttl_days":
                self.ttl_days = _days(text)

    def _tags(self, text: str) -> list[str]:
        if not text.lstrip().startswith("["):
            return [text]
        if self.tags:
            raise refused("tags", "must be repeated fields or one JSON array, not both")
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, list) or not all(isinstance(tag, str) for tag in found):
            raise refused("tags", "must be a JSON array of strings")
        "".join(found).encode()  # a lone surrogate is a UnicodeEncodeError, and that is a ValueError
        return found

    def told(self) -> Told:
        return Told(description=self.description, tags=list(self.tags), metadata=dict(self.metadata))

    def retention(self, query: Fields) -> Retention:
        """The policy and its days from the form and the query string together."""
        policy = _agreed("retention_policy", self.retention_policy, query.retention_policy) or RetentionPolicy.PERMANENT
        return Retention(policy, settle_ttl(policy, _agreed("ttl_days", self.ttl_days, query.ttl_days)))


def query_fields(retention_policy: str | None, ttl_days: str | None) -> Fields:
    """The two fields that may stand in the query string."""
    fields = Fields()
    for name, value in (("retention_policy", retention_policy), ("ttl_days", ttl_days)):
        if value is not None:
            fields.take(name, value.encode("utf-8", "replace"))
    return fields


def _agreed(name: str, form: _Value | None, query: _Value | None) -> _Value | None:
    if form is not None and query is not None and form != query:
        raise refused(name, "the form and the query string contradict each other")
    return query if form is None else form


def _policy(text: str) -> RetentionPolicy:
    try:
        return RetentionPolicy(text.strip())
    except ValueError:
        raise refused("retention_policy", "must be temporary or permanent") from None


def _days(text: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) <= _MAX_DIGITS):
        raise refused("ttl_days", "must be a whole number of days")
    return int(text)


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise refused("metadata", "must be valid JSON") from None
    if not isinstance(found, dict):
        raise refused("metadata", "must be a JSON object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
