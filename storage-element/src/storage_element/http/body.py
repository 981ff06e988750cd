"""Request bodies: bytes as they come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from artstore_core.errors import ChecksumMismatch, ValidationFailed
from artstore_transfer import sha256_of
from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import Message

from storage_element.store.receive import Body


def body_of(request: Request, idle_seconds: float) -> Body:
    """The body as a stream. Raises ClientDisconnect when the client goes away, and ValidationFailed when it is still
    there but has sent nothing for `idle_seconds`.
    """

    async def source() -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await _next(request, idle_seconds)
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            more = message.get("more_body", False)
            if chunk := message.get("body", b""):
                yield chunk

    return Body(source(), _length(request))


def claimed_checksum(repr_digest: str | None, content_digest: str | None) -> str | None:
    """The SHA-256 in hex of a body that is a whole file, as its digest fields tell (RFC 9530); None where they do not.

    Nothing is encoded here, so what arrives (Content-Digest) is the file (Repr-Digest). Raises ValidationFailed, and
    ChecksumMismatch for two that differ: of no body can both be true.
    """
    of_file, of_content = sha256_of(repr_digest), sha256_of(content_digest, "Content-Digest")
    if of_file is not None and of_content is not None and of_file != of_content:
        raise ChecksumMismatch("Repr-Digest and Content-Digest name different bytes.")
    return of_file or of_content


async def _next(request: Request, idle_seconds: float) -> Message:
    try:
        async with asyncio.timeout(idle_seconds):
            return await request.receive()
    except TimeoutError:
        # What is left of the body would be taken for the next request, so the connection ends too.
        raise ValidationFailed("The body stopped coming.", headers={"Connection": "close"}) from None


def _length(request: Request) -> int | None:
    text = request.headers.get("content-length")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise ValidationFailed("Content-Length is not a number.")
    return int(text)
