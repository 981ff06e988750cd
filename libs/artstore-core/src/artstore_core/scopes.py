"""Scopes, audiences and principals: who asks, for what, and of whom (requirements I2, I5, I7)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    FILES_READ = "files:read"
    FILES_WRITE = "files:write"
    STORAGE_READ = "storage:read"
    STORAGE_WRITE = "storage:write"
    ADMIN_READ = "admin:read"
    ADMIN_WRITE = "admin:write"


class AccountKind(StrEnum):
    """A `client` uses ArtStore from outside; a `service` is a part of it and asks for one target at a time."""

    CLIENT = "client"
    SERVICE = "service"


PUBLIC_AUDIENCE = "artstore"
INTERNAL_AUDIENCE = "urn:artstore:internal"
_ELEMENT_AUDIENCE = "urn:artstore:element:"


def element_audience(storage_id: str) -> str:
    """The audience that one storage element accepts, and nobody else."""
    return f"{_ELEMENT_AUDIENCE}{storage_id}"


def element_of(audience: str) -> str | None:
    """The storage id that an audience is made for; None when it is not an element's."""
    return audience.removeprefix(_ELEMENT_AUDIENCE) if audience.startswith(_ELEMENT_AUDIENCE) else None


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom a verified token speaks for. `subject` is `sa:<client_id>` or `user:<username>`.

    `token_id` and `issued_at` (`jti`, `iat` in seconds since 1970) name the token itself, for who can revoke one.
    """

    subject: str
    client_id: str | None
    scopes: frozenset[str]
    audience: str
    role: str | None = None
    token_id: str | None = None
    issued_at: float | None = None
