"""Links: one file's bytes for whoever has the link, for at most ten minutes.

A link's ticket is made with a key that no element has, and names none: only this service takes it, and what it opens is
looked up when it is used. So a link dies with the file, with the master key, and with its time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from artstore_core.errors import Forbidden
from artstore_tickets import Disposition, FileSubject, Tickets, link_key

from query_service.files.download import Asked
from query_service.files.lookup import Clock, Registry, find_bytes

PATH: Final = "/api/v1/links/download"
_READERS: Final = "query"
_ACCOUNT_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class Link:
    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Followed:
    """A link that is good. `account` stands for whoever made it, and does not name them."""

    asked: Asked
    account: str


class Links:
    """`public_url` is where clients reach this service: the gateway."""

    def __init__(self, registry: Registry, master_key: bytes, public_url: str, clock: Clock) -> None:
        self._registry, self._clock = registry, clock
        self._key = link_key(master_key)
        self._tickets = Tickets(_READERS, self._key, clock)
        self._prefix = f"{public_url.rstrip('/')}{PATH}?ticket="

    async def make(self, file_id: UUID, maker: str, lifetime: timedelta, disposition: Disposition | None) -> Link:
        """Raises what `find_bytes` raises: there is no link to what could not be downloaded now."""
        await find_bytes(self._registry, file_id, self._clock)
        ticket = self._tickets.issue(
            FileSubject(file_id), ["GET"], lifetime=lifetime, disposition=disposition, account=self._account(maker)
        )
        return Link(self._prefix + ticket, self._tickets.read(ticket, method="GET").expires_at)

    def follow(self, ticket: str, method: str, headers: Mapping[str, str]) -> Followed:
        """Raises Unauthorized for a ticket that cannot be trusted, Forbidden for one that is about something else."""
        found = self._tickets.read(ticket, method=method)
        if not isinstance(found.subject, FileSubject):
            raise Forbidden("The ticket does not permit this request.")
        asked = Asked(found.subject.file_id, method, headers, found.disposition)
        return Followed(asked, f"link:{found.account}")

    def _account(self, maker: str) -> str:
        """The same for the same maker. Whoever has the link can read its ticket, and shall not learn a name."""
        tag = hmac.digest(self._key, b"account/" + maker.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(tag[:_ACCOUNT_BYTES]).decode()
