"""The urls that parts are sent to: the gateway's short cut to the element, with a ticket for one part."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from artstore_tickets import Clock, Tickets, UploadSubject, element_key, route_name, utc_now


@dataclass(frozen=True, slots=True)
class SignedPart:
    """`url` takes a PUT of exactly this part until `expires_at`."""

    number: int
    url: str
    expires_at: datetime


class PartUrls:
    """`public_url` is where clients reach the gateway. The element's id is in no url (requirement A7)."""

    def __init__(self, master_key: bytes, public_url: str, now: Clock = utc_now) -> None:
        self._master_key, self._public_url, self._now = master_key, public_url.rstrip("/"), now

    def sign(self, storage_id: str, upload_id: UUID, number: int, length: int, sha256: str | None) -> SignedPart:
        """Lets in `length` bytes, and with a digest only those."""
        tickets = Tickets(storage_id, element_key(self._master_key, storage_id), self._now)
        ticket = tickets.issue(UploadSubject(upload_id, number), ["PUT"], length=length, digest=sha256)
        route = route_name(self._master_key, storage_id)
        path = f"/_element/{route}/api/v1/uploads/{upload_id}/parts/{number}?ticket={ticket}"
        return SignedPart(number, self._public_url + path, tickets.read(ticket, method="PUT").expires_at)
