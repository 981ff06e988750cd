"""Digest fields: Repr-Digest and Content-Digest (RFC 9530), which are structured dictionaries (RFC 8941 §3.2)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from artstore_core.errors import ValidationFailed

_SHA256: Final = "sha-256"
_MEMBER: Final = re.compile(r"[ \t]*([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/=]*):((?:[ ]*;[^,:\"]*)*)[ \t]*")


def format_digest(checksum: str) -> str:
    """The field's value from a SHA-256 in hex."""
    return f"{_SHA256}=:{base64.b64encode(bytes.fromhex(checksum)).decode()}:"


def sha256_of(field: str | None, name: str = "Repr-Digest") -> str | None:
    """The SHA-256 in lower-case hex that a digest field gives; None without one (other algorithms are ignored, §2).

    `name` is the field's, for the error. Raises ValidationFailed for a field that cannot be read: a sender who gives a digest wants it to be checked.
    """
    if field is None:
        return None
    found: str | None = None
    for member in field.split(","):
        match = _MEMBER.fullmatch(member)
        if match is None:
            raise _unreadable(name)
        if match[1] == _SHA256:
            found = match[2]  # the last of the same name counts (RFC 8941 §4.2.2)
    return None if found is None else _hex(found, name)


def _hex(text: str, name: str) -> str:
    try:
        digest = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise _unreadable(name) from None
    if len(digest) != 32:
        raise _unreadable(name)
    return digest.hex()


def _unreadable(name: str) -> ValidationFailed:
    return ValidationFailed(
        "The digest cannot be read.",
        details={name: "must be like sha-256=:<base64 of 32 bytes>: (RFC 9530)"},
    )
