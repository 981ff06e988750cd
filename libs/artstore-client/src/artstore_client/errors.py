"""What goes wrong, as exceptions to catch.

A hierarchy of its own beside `artstore_core.errors`: those are rendered as the answer of the service that raises them,
and a service that uses this SDK must not pass on another's 404 or 401 as its own by mistake.

    ArtStoreClientError
      ConfigurationError     no or contradictory settings
      ConnectionFailed       no answer, or it broke off
        NotConnected         nothing was sent
      ProtocolError          an answer that ArtStore does not give
      IntegrityError         bytes that do not match their checksum
      NotAFile               a folder or a device where a file is needed
      SourceChanged          a file that was changed while it was uploaded
      AlreadyUploading       another program, or task, is sending the same file
      ApiError               an answer with a status of 400 or more
        OAuthError           from the token endpoint (RFC 6749 §5.2)
        BadRequest Unauthorized Forbidden NotFound Conflict Gone PreconditionFailed TooLarge TypeNotAllowed
        InvalidRange Unprocessable RateLimited ServerError Unavailable StorageFull
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any


class ArtStoreClientError(Exception):
    """The base of everything that this package raises on purpose."""


class ConfigurationError(ArtStoreClientError):
    """Settings are missing, contradict each other or cannot be read, or they do not trust the server's certificate."""


class ConnectionFailed(ArtStoreClientError):
    """ArtStore could not be reached, or the connection broke and retries did not help."""


class NotConnected(ConnectionFailed):
    """No connection was made, so nothing was sent."""


class ProtocolError(ArtStoreClientError):
    """The other side answered something that is not ArtStore's API."""


class IntegrityError(ArtStoreClientError):
    """Bytes and their SHA-256 do not match. What was received has been thrown away; of an upload the message says what became
    of it."""


class SourceChanged(ArtStoreClientError):
    """The file was changed while it was uploaded. Nothing was stored, or the message names what could not be deleted again."""


class AlreadyUploading(ArtStoreClientError):
    """Another program, or another task of this one, is sending the same file with the same words to the same server."""


class NotAFile(ArtStoreClientError, ValueError):
    """A folder, a device, a FIFO or a socket was given to upload."""


class ApiError(ArtStoreClientError):
    """ArtStore refused. `code` is the one of api.md, `details` maps a field to its reason.

    `request_id` finds the request in the server's logs; `retry_after` is in seconds. Both may be absent.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str,
        details: Mapping[str, str] | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.details = dict(details or {})
        self.request_id = request_id
        self.retry_after = retry_after

    def __str__(self) -> str:
        reasons = "; ".join(f"{field}: {reason}" for field, reason in self.details.items())
        where = f" [request {self.request_id}]" if self.request_id else ""
        return f"{self.code}: {self.message}" + (f" ({reasons})" if reasons else "") + where


class OAuthError(ApiError):
    """The token endpoint refused; `code` is the RFC's, such as `invalid_client` or `invalid_scope`."""


class BadRequest(ApiError):
    """400; `code` tells VALIDATION_ERROR from CHECKSUM_MISMATCH."""


class Unauthorized(ApiError):
    """401."""


class Forbidden(ApiError):
    """403: a scope is missing, or `code` is QUOTA_EXCEEDED."""


class NotFound(ApiError):
    """404."""


class Conflict(ApiError):
    """409; `code` tells a damaged file (FILE_DAMAGED) from a mode that does not allow it."""


class Gone(ApiError):
    """410."""


class PreconditionFailed(ApiError):
    """412."""


class TooLarge(ApiError):
    """413."""


class TypeNotAllowed(ApiError):
    """415."""


class InvalidRange(ApiError):
    """416."""


class Unprocessable(ApiError):
    """422; `code` tells why, such as INFECTED."""


class RateLimited(ApiError):
    """429."""


class ServerError(ApiError):
    """5xx that have no class of their own."""


class Unavailable(ServerError):
    """503: a part of ArtStore is down, or draining."""


class StorageFull(ServerError):
    """507."""


BY_STATUS: Mapping[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    412: PreconditionFailed,
    413: TooLarge,
    415: TypeNotAllowed,
    416: InvalidRange,
    422: Unprocessable,
    429: RateLimited,
    503: Unavailable,
    507: StorageFull,
}
"""By status, not by code: a code added tomorrow still raises the class that today's callers catch."""


def _class_of(status: int) -> type[ApiError]:
    return BY_STATUS.get(status, ServerError if status >= 500 else ApiError)


def retry_after_of(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds from `Retry-After`, which is a number or a date (RFC 9110 §10.2.3); None when absent or unreadable."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:  # UnicodeDecodeError too
        return {}
    return value if isinstance(value, dict) else {}


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """The exception for an answer: the form A5, the OAuth form, or neither (a proxy's page, an empty body)."""
    said = _object(body).get("error")
    retry_after = retry_after_of(headers)
    request_id = headers.get("x-request-id")
    if isinstance(said, str):
        message = _object(body).get("error_description")
        return OAuthError(
            str(message or "the token endpoint refused"),
            status=status,
            code=said,
            request_id=request_id,
            retry_after=retry_after,
        )
    said = said if isinstance(said, dict) else {}
    details = said.get("details")
    return _class_of(status)(
        str(said.get("message") or f"the server answered {status}"),
        status=status,
        code=str(said.get("code") or f"HTTP_{status}"),
        details={str(k): str(v) for k, v in details.items()} if isinstance(details, dict) else None,
        request_id=str(said.get("request_id") or request_id or "") or None,
        retry_after=retry_after,
    )
