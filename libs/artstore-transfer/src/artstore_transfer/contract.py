"""What a contract says of a request for bytes that `answer` answers (OpenAPI 3.1 §4.8.12 and §4.8.17)."""

from __future__ import annotations

from typing import Any, Final

Answers = dict[int | str, dict[str, Any]]
"""By status, as FastAPI's `responses`."""

_TEXT: Final = {"type": "string"}
_ASKED: Final = {
    "Range": "One range of bytes, of GET alone (RFC 9110 §14); for several the whole is given",
    "If-Range": "The range only where this ETag or Last-Modified is still right, else the whole",
    "If-Match": "An ETag, or several; another one: 412",
    "If-None-Match": "An ETag, or several; one of them: 304. It outranks the dates",
    "If-Modified-Since": "A date; 304 where nothing has changed since",
    "If-Unmodified-Since": "A date; 412 where something has",
}
_TOLD: Final = {
    "ETag": "The SHA-256 of the whole, in quotes",
    "Last-Modified": "Since when it is as it is",
    "Content-Disposition": "inline or attachment, and the name",
    "Repr-Digest": "sha-256 of the whole (RFC 9530)",
}

ASKED: Final = [
    {"name": name, "in": "header", "required": False, "description": text, "schema": _TEXT}
    for name, text in _ASKED.items()
]
"""The request's headers, as an operation's `parameters`."""


def answers_to_get(media_type: str = "application/octet-stream") -> Answers:
    content = {media_type: {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}}
    of_part = {**_TOLD, "Content-Range": "Which bytes of how many"}
    return {
        200: {"description": "The whole", "content": content, "headers": _headers(_TOLD)},
        206: {"description": "The part asked for", "content": content, "headers": _headers(of_part)},
        304: {"description": "Not modified"},
    }


def answers_to_head() -> Answers:
    return {
        200: {"description": "The headers of GET", "headers": _headers(_TOLD)},
        304: {"description": "Not modified"},
    }


def _headers(told: dict[str, str]) -> dict[str, Any]:
    return {name: {"description": text, "schema": _TEXT} for name, text in told.items()}
