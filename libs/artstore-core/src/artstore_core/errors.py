"""Domain errors. Each knows its code; `artstore_kit.errors` is the one place that renders them as HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class ArtStoreError(Exception):
    """Something the caller must hear of, in the agreed form (requirement A5).

    `message` is for people and goes out as it is: never a path, SQL or a stack trace. `details` maps a field to its
    reason. `headers` go out with the answer (`Retry-After`, `WWW-Authenticate`, `Content-Range`, …).
    """

    code: ClassVar[str] = "INTERNAL_ERROR"
    status: ClassVar[int] = 500

    def __init__(
        self,
        message: str,
        *,
        details: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = dict(details or {})
        self.headers = dict(headers or {})


class ValidationFailed(ArtStoreError):
    code, status = "VALIDATION_ERROR", 400


class ChecksumMismatch(ArtStoreError):
    code, status = "CHECKSUM_MISMATCH", 400


class Unauthorized(ArtStoreError):
    code, status = "UNAUTHORIZED", 401


class Forbidden(ArtStoreError):
    code, status = "FORBIDDEN", 403


class QuotaExceeded(ArtStoreError):
    code, status = "QUOTA_EXCEEDED", 403


class NotFound(ArtStoreError):
    code, status = "NOT_FOUND", 404


class MethodNotAllowed(ArtStoreError):
    code, status = "METHOD_NOT_ALLOWED", 405


class Conflict(ArtStoreError):
    code, status = "CONFLICT", 409


class ModeNotAllowed(ArtStoreError):
    code, status = "MODE_NOT_ALLOWED", 409


class InvalidTransition(ArtStoreError):
    code, status = "INVALID_TRANSITION", 409


class ConfirmationRequired(ArtStoreError):
    code, status = "CONFIRMATION_REQUIRED", 409


class FileDamaged(ArtStoreError):
    code, status = "FILE_DAMAGED", 409


class Gone(ArtStoreError):
    code, status = "GONE", 410


class PreconditionFailed(ArtStoreError):
    code, status = "PRECONDITION_FAILED", 412


class FileTooLarge(ArtStoreError):
    code, status = "FILE_TOO_LARGE", 413


class TypeNotAllowed(ArtStoreError):
    code, status = "TYPE_NOT_ALLOWED", 415


class InvalidRange(ArtStoreError):
    code, status = "INVALID_RANGE", 416


class Infected(ArtStoreError):
    code, status = "INFECTED", 422


class IdempotencyKeyReused(ArtStoreError):
    code, status = "IDEMPOTENCY_KEY_REUSED", 422


class RateLimited(ArtStoreError):
    code, status = "RATE_LIMITED", 429


class InternalError(ArtStoreError):
    code, status = "INTERNAL_ERROR", 500


class UpstreamFailed(ArtStoreError):
    code, status = "UPSTREAM_FAILED", 502


class Unavailable(ArtStoreError):
    """A 503: always says when to come back (RFC 9110 §10.2.3)."""

    status = 503

    def __init__(self, message: str, *, retry_after: int = 5, details: Mapping[str, str] | None = None) -> None:
        super().__init__(message, details=details, headers={"Retry-After": str(retry_after)})


class NoStorageAvailable(Unavailable):
    code = "NO_STORAGE_AVAILABLE"


class AdminUnavailable(Unavailable):
    code = "ADMIN_UNAVAILABLE"


class StorageUnavailable(Unavailable):
    code = "STORAGE_UNAVAILABLE"


class StorageFull(ArtStoreError):
    code, status = "STORAGE_FULL", 507


def _all(base: type[ArtStoreError]) -> list[type[ArtStoreError]]:
    return [kind for child in base.__subclasses__() for kind in (child, *_all(child))]


BY_CODE: Mapping[str, type[ArtStoreError]] = {
    kind.code: kind for kind in _all(ArtStoreError) if kind is not Unavailable
}
"""Every code of api.md with its class, so that a client of one service can raise what another service said."""
