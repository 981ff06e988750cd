"""A ticket: HMAC-SHA256 (RFC 2104) over versioned claims, in base64url without padding.

On the wire it is `base64url(version ‖ claims ‖ mac)`: one byte of version, the claims as compact JSON in UTF-8 with the
short names of `_claims`, and the 32 bytes of the MAC over `element ‖ NUL ‖ version ‖ claims`. Which element it is for is
not said in it: clients see tickets, and no element's id (requirement A7). A reader refuses every version it does not
know and every spelling but the one that a writer makes.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from artstore_core.errors import ArtStoreError, Forbidden, Unauthorized

Clock = Callable[[], datetime]
"""The time now, with its zone."""

Disposition = Literal["inline", "attachment"]

MAX_LIFETIME: Final = timedelta(minutes=10)
_CLOCK_SKEW: Final = timedelta(minutes=1)  # between the maker's clock and the element's
_VERSION: Final = b"\x01"
_MAC_BYTES: Final = 32
_MAX_TEXT: Final = 4096  # a filename of 1024 bytes takes half of it


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class FileSubject:
    """The bytes of one stored file."""

    file_id: UUID


@dataclass(frozen=True, slots=True)
class UploadSubject:
    """One upload that is under way, or one part of it (counted from 1)."""

    upload_id: UUID
    part: int | None = None


Subject = FileSubject | UploadSubject


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a ticket permits, until when. `length` is in bytes, and `digest` the SHA-256 in hex, of the body that it lets
    in; `disposition` and `filename` shape the answer.

    `account` tells tickets of one account from those of others, where a limit is to be kept; whoever holds a ticket can
    read it, so it is no name.
    """

    element: str
    subject: Subject
    methods: frozenset[str]
    expires_at: datetime
    length: int | None = None
    disposition: Disposition | None = None
    filename: str | None = None
    account: str | None = None
    digest: str | None = None

    def permits(self, method: str) -> bool:
        """GET covers HEAD: who may read the bytes may ask how many there are (RFC 9110 §9.3.2)."""
        return method in self.methods or (method == "HEAD" and "GET" in self.methods)


class Tickets:
    """Makes and checks the tickets of one storage element. `key` is that element's (`keys.element_key`)."""

    def __init__(self, element: str, key: bytes, now: Clock = utc_now) -> None:
        self._element = element
        self._key = key
        self._now = now

    def issue(
        self,
        subject: Subject,
        methods: Iterable[str],
        *,
        lifetime: timedelta = MAX_LIFETIME,
        length: int | None = None,
        disposition: Disposition | None = None,
        filename: str | None = None,
        account: str | None = None,
        digest: str | None = None,
    ) -> str:
        """The text of a new ticket. Raises ValueError for a lifetime that is not above 0 and at most 10 minutes."""
        if not timedelta(0) < lifetime <= MAX_LIFETIME:
            raise ValueError(f"a ticket lives at most {MAX_LIFETIME}")
        if not (allowed := frozenset(methods)):
            raise ValueError("a ticket needs a method")
        expires_at = datetime.fromtimestamp(int((self._now() + lifetime).timestamp()), UTC)
        ticket = Ticket(self._element, subject, allowed, expires_at, length, disposition, filename, account, digest)
        signed = _VERSION + json.dumps(_claims(ticket), separators=(",", ":"), ensure_ascii=False).encode()
        return _encode(signed + self._mac(signed))

    def check(self, text: str, *, subject: Subject, method: str) -> Ticket:
        """The ticket, if it was made with this element's key, is not expired and covers this subject and method.

        Raises Unauthorized for one that cannot be trusted, whatever the reason, in the same words: a forger learns
        nothing from them. Raises Forbidden for a true one that is about something else.
        """
        ticket = self.read(text, method=method)
        if ticket.subject != subject:
            raise _not_this()
        return ticket

    def read(self, text: str, *, method: str) -> Ticket:
        """As `check`, for a reader that learns from the ticket what it is about."""
        ticket = self._open(text)
        if not ticket.permits(method):
            raise _not_this()
        return ticket

    def _open(self, text: str) -> Ticket:
        raw = _decode(text)
        signed, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(signed)) or signed[:1] != _VERSION:
            raise _refused()
        ticket = _ticket(json.loads(signed[1:]), self._element)
        left = ticket.expires_at - self._now()
        # A lifetime beyond the limit means a maker that does not keep the rules: the limit holds at the reader too.
        if not timedelta(0) < left <= MAX_LIFETIME + _CLOCK_SKEW:
            raise _refused()
        return ticket

    def _mac(self, signed: bytes) -> bytes:
        return hmac.digest(self._key, self._element.encode() + b"\0" + signed, "sha256")


def _claims(ticket: Ticket) -> dict[str, Any]:
    claims: dict[str, Any] = {
        "m": sorted(ticket.methods),
        "x": int(ticket.expires_at.timestamp()),
        "l": ticket.length,
        "d": ticket.disposition,
        "n": ticket.filename,
        "a": ticket.account,
        "s": ticket.digest,
    }
    match ticket.subject:
        case FileSubject(file_id):
            claims["f"] = file_id.hex
        case UploadSubject(upload_id, part):
            claims |= {"u": upload_id.hex, "p": part}
    return {name: value for name, value in claims.items() if value is not None}


def _ticket(claims: dict[str, Any], element: str) -> Ticket:
    subject: Subject
    if "f" in claims:
        subject = FileSubject(UUID(hex=claims["f"]))
    else:
        subject = UploadSubject(UUID(hex=claims["u"]), claims.get("p"))
    return Ticket(
        element=element,
        subject=subject,
        methods=frozenset(claims["m"]),
        expires_at=datetime.fromtimestamp(claims["x"], UTC),
        length=claims.get("l"),
        disposition=claims.get("d"),
        filename=claims.get("n"),
        account=claims.get("a"),
        digest=claims.get("s"),
    )


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    """Strict: Python's decoder skips foreign characters and spare bits, which would let one ticket have many texts."""
    if len(text) > _MAX_TEXT or not text.isascii():
        raise _refused()
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _refused() from None
    if _encode(raw) != text:
        raise _refused()
    return raw


def _not_this() -> ArtStoreError:
    return Forbidden("The ticket does not permit this request.")


def _refused() -> ArtStoreError:
    return Unauthorized(
        "The ticket is not valid.", headers={"WWW-Authenticate": 'Bearer realm="artstore", error="invalid_token"'}
    )
