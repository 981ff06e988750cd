"""Urls of renditions, and what opens them.

A single picture is opened by a ticket in the query. Tiles are asked for by relative urls below the one that a viewer was
given, which carry no query; so the way to them has a segment of its own, a *view*: a row that names a file and an account,
open for ten minutes, and signed so that a forged one costs no look into the database. Whoever asks for the list again (with a
valid token) keeps the same view open for ten minutes more. So a viewer's urls stay what they are while its token rotates, and
die ten minutes after it has stopped asking.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from artstore_core.errors import Unauthorized
from artstore_tickets import MAX_LIFETIME, FileSubject, Tickets, rendition_key

Clock = Callable[[], datetime]

BASE: Final = "/api/v1/renditions"
_READERS: Final = "render"
_MAC_BYTES: Final = 16
_VIEW_CHARACTERS: Final = 43  # base64url of 16 + 16 bytes
_ACCOUNT_BYTES: Final = 12
LIFETIME: Final = MAX_LIFETIME


@dataclass(frozen=True, slots=True)
class Ways:
    """`public_url` is where clients reach this service: the gateway."""

    key: bytes
    public_url: str
    clock: Clock

    @classmethod
    def of(cls, master_key: bytes, public_url: str, clock: Clock) -> Ways:
        return cls(rendition_key(master_key), public_url.rstrip("/"), clock)

    def ticket(self, file_id: UUID, account: str) -> str:
        """Opens the pictures of one file, and its events, for ten minutes."""
        return self._tickets.issue(FileSubject(file_id), ["GET"], lifetime=LIFETIME, account=account)

    def check(self, ticket: str, file_id: UUID) -> str:
        """The account that it was made for. Raises Unauthorized, or Forbidden for one of another file."""
        return self._tickets.check(ticket, subject=FileSubject(file_id), method="GET").account or ""

    def account(self, subject: str) -> str:
        """The same for the same principal. Whoever has a url can read it there, and shall not learn a name."""
        tag = hmac.digest(self.key, b"account/" + subject.encode(), "sha256")
        return base64.urlsafe_b64encode(tag[:_ACCOUNT_BYTES]).decode()

    def content(self, file_id: UUID, name: str, ticket: str) -> str:
        return f"{self.public_url}{BASE}/{file_id}/content/{name}?ticket={ticket}"

    def dzi(self, file_id: UUID, view: UUID) -> str:
        return f"{self._tiles(file_id, view)}/image.dzi"

    def iiif(self, file_id: UUID, view: UUID) -> str:
        """The image's base URI; `/info.json` below it describes it (IIIF Image API 3.0 §2)."""
        return f"{self._tiles(file_id, view)}/iiif"

    def view_of(self, segment: str, file_id: UUID) -> UUID:
        """The view that a path names, which may be over by now. Raises Unauthorized for one that was not made here."""
        try:
            raw = base64.urlsafe_b64decode(segment + "=") if len(segment) == _VIEW_CHARACTERS else b""
        except (binascii.Error, ValueError):
            raise closed() from None
        view, mac = raw[:16], raw[16:]
        if len(mac) != _MAC_BYTES or not hmac.compare_digest(mac, self._mac(view, file_id)):
            raise closed()
        return UUID(bytes=view)

    def segment(self, view: UUID, file_id: UUID) -> str:
        return base64.urlsafe_b64encode(view.bytes + self._mac(view.bytes, file_id)).rstrip(b"=").decode()

    @property
    def _tickets(self) -> Tickets:
        return Tickets(_READERS, self.key, self.clock)

    def _tiles(self, file_id: UUID, view: UUID) -> str:
        return f"{self.public_url}{BASE}/{file_id}/tiles/{self.segment(view, file_id)}"

    def _mac(self, view: bytes, file_id: UUID) -> bytes:
        return hmac.digest(self.key, b"view/" + view + file_id.bytes, "sha256")[:_MAC_BYTES]


def closed() -> Unauthorized:
    """In the same words whatever the reason: a forger learns nothing from them."""
    return Unauthorized(
        "The url is not open any more: ask for the list of renditions again.",
        headers={"WWW-Authenticate": 'Bearer realm="artstore", error="invalid_token"'},
    )
