"""Keys: one master, from which each storage element gets a key of its own (HKDF, RFC 5869, with SHA-256).

An element holds only its own key, so one that turns hostile can forge tickets for itself and nobody else.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES: Final = 32
_TICKET_PURPOSE: Final = b"artstore/ticket-key/v1/"
_LINK_PURPOSE: Final = b"artstore/link-key/v1"
_RENDITION_PURPOSE: Final = b"artstore/rendition-key/v1"
_ROUTE_PURPOSE: Final = b"artstore/gateway-route/v1"
_ROUTE_BYTES: Final = 15  # 24 characters of base32: no padding, and 120 bits cannot be guessed


def element_key(master: bytes, storage_id: str) -> bytes:
    """The 32-byte ticket key of one element. Raises ValueError for a master key that is not 32 bytes."""
    return _derive(master, _TICKET_PURPOSE + storage_id.encode(), KEY_BYTES)


def link_key(master: bytes) -> bytes:
    """The 32-byte key of links, which services of ours make and check: no element holds it, whatever its id is."""
    return _derive(master, _LINK_PURPOSE, KEY_BYTES)


def route_key(master: bytes) -> bytes:
    """The 32-byte key of routes' names. Who writes the gateway's routes needs this one and no right to make tickets."""
    return _derive(master, _ROUTE_PURPOSE, KEY_BYTES)


def rendition_key(master: bytes) -> bytes:
    """The 32-byte key of the tickets of previews, which render makes and checks, and nobody else."""
    return _derive(master, _RENDITION_PURPOSE, KEY_BYTES)


def route_name(master: bytes, storage_id: str) -> str:
    """The opaque name of an element's gateway route (`/_element/<name>/…`): 24 lower-case letters and digits.

    It is derived, so that the gateway and query agree on it without talking, and it tells a client nothing.
    """
    return route_of(route_key(master), storage_id)


def route_of(key: bytes, storage_id: str) -> str:
    """As `route_name`, for who has the key of routes (`route_key`) alone."""
    return base64.b32encode(_derive(key, _ROUTE_PURPOSE + b"/" + storage_id.encode(), _ROUTE_BYTES)).decode().lower()


def parse_key(text: str) -> bytes:
    """32 bytes from base64 in either alphabet, padded or not. Raises ValueError, without showing the key."""
    plain = text.strip().rstrip("=").replace("+", "-").replace("/", "_")
    try:
        key = base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a key must be base64") from None
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key must be {KEY_BYTES} bytes in base64")
    return key


def encode_key(key: bytes) -> str:
    """The form in which a key travels in settings: base64url without padding."""
    return base64.urlsafe_b64encode(key).rstrip(b"=").decode()


def _derive(master: bytes, info: bytes, length: int) -> bytes:
    if len(master) != KEY_BYTES:
        raise ValueError(f"the master key must be {KEY_BYTES} bytes")
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(master)
