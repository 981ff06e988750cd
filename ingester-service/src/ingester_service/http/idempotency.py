"""The header Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07 §2)."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from artstore_core.errors import ValidationFailed
from fastapi import Depends, Request

_LONGEST: Final = 255
_BARE: Final = re.compile(r"[!#-~]+")
_STRING: Final = re.compile(r'"((?:[!#-\[\]-~]|\\["\\])+)"')
_ESCAPED: Final = re.compile(r'\\(["\\])')

REPLAYED: Final = {"Idempotent-Replayed": "true"}
# Not declared as FastAPI's Header: the alias of one within a dependency warns where two threads start an app.
KEY_HEADER: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "1 to 255 visible ASCII characters, as a string in quotes (RFC 8941 §3.3.3) or without them. The same"
    " request under the same key makes one file, for a day (`Idempotent-Replayed: true` says so); while the first one is"
    " dealt with it is 409, and another request under the key is 422",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


def _key_of(request: Request) -> str | None:
    """The key, None without one. Raises ValidationFailed.

    Many clients leave the quotes out; with them or without it is the same key.
    """
    given = request.headers.getlist("idempotency-key")
    if not given:
        return None
    text = given[0].strip(" \t")
    quoted = _STRING.fullmatch(text)
    key = _ESCAPED.sub(r"\1", quoted[1]) if quoted else text if _BARE.fullmatch(text) else ""
    if len(given) > 1 or not 0 < len(key) <= _LONGEST:
        raise ValidationFailed(
            "The Idempotency-Key cannot be read",
            details={"Idempotency-Key": f"must be one string of 1 to {_LONGEST} visible ASCII characters"},
        )
    return key


Key = Annotated[str | None, Depends(_key_of)]
