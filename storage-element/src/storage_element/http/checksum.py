"""What a client says its body hashes to."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from artstore_core.errors import ValidationFailed
from artstore_transfer import sha256_of

from storage_element.store.ports import SHA256
from storage_element.store.receive import BodyChecksum

_SIZES: Final = {"md5": 16, "sha1": 20, SHA256: 32}
"""Of a digest, in bytes. MD5 and SHA-1 find what a network did to bytes, not what a person did."""
_CHECKSUM: Final = re.compile(r"([a-z0-9]+) ([A-Za-z0-9+/]+={0,2})")


def body_checksum(content_digest: str | None, upload_checksum: str | None) -> BodyChecksum | None:
    """From Content-Digest (RFC 9530), or Upload-Checksum as in tus 1.0.0, which may name other algorithms.

    Raises ValidationFailed for what cannot be read or is not known: who gives a digest wants it to be checked.
    """
    if upload_checksum is None:
        digest = sha256_of(content_digest, "Content-Digest")
        return None if digest is None else BodyChecksum(SHA256, digest)
    found = _CHECKSUM.fullmatch(upload_checksum)
    if found is None or found[1] not in _SIZES:
        raise _unreadable()
    try:
        digest_bytes = base64.b64decode(found[2], validate=True)
    except binascii.Error:
        raise _unreadable() from None
    if len(digest_bytes) != _SIZES[found[1]]:
        raise _unreadable()
    return BodyChecksum(found[1], digest_bytes.hex())


def _unreadable() -> ValidationFailed:
    known = ", ".join(sorted(_SIZES))
    return ValidationFailed(
        "The checksum cannot be read.", details={"Upload-Checksum": f"must be one of {known}, a blank, and base64"}
    )
