"""`Upload-Metadata` (tus 1.0.0, "Creation"): `key base64, key base64, …`, and what its keys mean here.

`filename`, `description`, `tags` (a JSON array, or a list with commas), `metadata` (a JSON object), `retention_policy` and
`ttl_days` are ours. Uppy's `name` stands in for a missing `filename`. Every other key is kept and told again, and means
nothing: clients send what they like (`filetype`, which the bytes decide here; `relativePath`, …).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeVar

from artstore_core.errors import ValidationFailed
from artstore_core.files import Description, Filename, Metadata, Tags
from artstore_core.retention import RetentionPolicy
from pydantic import TypeAdapter, ValidationError

from ingester_service.upload.incoming import Told

MAX_BYTES: Final = 60 * 1024
"""Of the header: what most servers in between let through as well."""
UNNAMED: Final = "unnamed"
_MAX_KEYS: Final = 100
_MAX_DIGITS: Final = 9
_FILENAME: Final = TypeAdapter[str](Filename)
_DESCRIPTION: Final = TypeAdapter[str](Description)
_TAGS: Final = TypeAdapter[list[str]](Tags)
_METADATA: Final = TypeAdapter[dict[str, Any]](Metadata)
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Described:
    """What an uploader says in the header. What is not said is None."""

    filename: str
    told: Told
    retention_policy: RetentionPolicy | None
    ttl_days: int | None


def parse(header: str) -> Described:
    """Raises ValidationFailed, naming the key."""
    found = pairs(header)
    text = {name: _text(name, value) for name, value in found.items() if name in _KNOWN}
    given = {name: value for name, value in text.items() if value.strip()}
    return Described(
        filename=_filename(given),
        told=Told(
            description=_checked(_DESCRIPTION, "description", given["description"]) if "description" in given else None,
            tags=_tags(given["tags"]) if "tags" in given else [],
            metadata=_metadata(given["metadata"]) if "metadata" in given else {},
        ),
        retention_policy=_policy(given["retention_policy"]) if "retention_policy" in given else None,
        ttl_days=_days(given["ttl_days"]) if "ttl_days" in given else None,
    )


_KNOWN: Final = frozenset({"filename", "name", "description", "tags", "metadata", "retention_policy", "ttl_days"})


def pairs(header: str) -> dict[str, bytes]:
    """The header's keys and values. Raises ValidationFailed for what is not its form."""
    if len(header) > MAX_BYTES:
        refused("Upload-Metadata", f"must be at most {MAX_BYTES} bytes")
    found: dict[str, bytes] = {}
    for pair in header.split(",") if header.strip() else []:
        name, _, value = pair.strip().partition(" ")
        if not name.isascii() or not name.isprintable() or not name:
            refused("Upload-Metadata", "has a key that is empty or not ASCII")
        if name in found:
            refused(name[:100], "is given twice")
        try:
            found[name] = base64.b64decode(value.strip(), validate=True)
        except (binascii.Error, ValueError):
            refused(name[:100], "must be base64")
    if len(found) > _MAX_KEYS:
        refused("Upload-Metadata", f"must have at most {_MAX_KEYS} keys")
    return found


def shown(values: Mapping[str, str]) -> str:
    """The header that says these."""
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in values.items())


def refused(name: str, reason: str) -> NoReturn:
    raise ValidationFailed("The upload's metadata is not valid", details={name: reason})


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        refused(name, "must be UTF-8")


def _filename(given: Mapping[str, str]) -> str:
    key = "filename" if "filename" in given else "name"
    name = given.get(key, UNNAMED)
    if name in (".", ".."):
        refused(key, "is no usable name")
    return _checked(_FILENAME, key, name)


def _checked(adapter: TypeAdapter[_Value], name: str, value: object) -> _Value:
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        reason = str(error.errors(include_input=False, include_url=False)[0]["msg"])
        refused(name, reason.removeprefix("Value error, "))
    except (ValueError, RecursionError):
        refused(name, "is not valid")


def _tags(text: str) -> list[str]:
    if not text.lstrip().startswith("["):
        return _checked(_TAGS, "tags", [tag for tag in text.split(",") if tag.strip()])
    found = _json("tags", text)
    if not isinstance(found, list) or not all(isinstance(tag, str) and _encodable(tag) for tag in found):
        refused("tags", "must be a JSON array of strings, or a list with commas")
    return _checked(_TAGS, "tags", found)


def _encodable(text: str) -> bool:
    """Half of a surrogate pair is JSON and is no text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _metadata(text: str) -> dict[str, Any]:
    return _checked(_METADATA, "metadata", _json("metadata", text))


def _json(name: str, text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        refused(name, "must be valid JSON")


def _policy(text: str) -> RetentionPolicy:
    try:
        return RetentionPolicy(text.strip())
    except ValueError:
        refused("retention_policy", "must be temporary or permanent")


def _days(text: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) <= _MAX_DIGITS):
        refused("ttl_days", "must be a whole number of days")
    return int(text)
