"""The ways to a file's bytes, and what came back on one of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from uuid import UUID

import httpx
from artstore_tickets import FileSubject, Tickets, parse_key
from range_cases import Case
from range_files import Stored
from world import World

ELEMENT: Final = "se-rw-1"
REDIRECTED: Final = "gateway and element"
# Of the connection and of the request, not of the file; a link's answer also asks browsers not to tell where they were.
_OF_THE_WAY: Final = frozenset(
    {"connection", "date", "keep-alive", "referrer-policy", "server", "vary", "x-request-id"}
)


@dataclass(frozen=True)
class Answer:
    """Everything that must be the same on every way. `body`: an error's, or length and SHA-256 of bytes."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any] | tuple[int, str]

    @classmethod
    def of(cls, got: httpx.Response) -> Answer:
        headers = {name: value for name, value in got.headers.items() if name not in _OF_THE_WAY}
        if got.status_code < 400:
            return cls(got.status_code, headers, digest(got.content))
        # Its length has the request's own id in it.
        length = int(headers.pop("content-length"))
        if got.request.method == "HEAD":
            return cls(got.status_code, headers, digest(got.content))
        assert length == len(got.content)
        error = got.json()["error"]
        assert error.pop("request_id") == got.headers["x-request-id"]
        return cls(got.status_code, headers, error)


def digest(content: bytes) -> tuple[int, str]:
    return len(content), hashlib.sha256(content).hexdigest()


def sent(case: Case, stored: Stored) -> list[tuple[bytes, bytes]]:
    """The case's headers for this file, as they are on the wire."""
    filled = [(name, value.format_map(stored.words)) for name, value in case.headers]
    return [(name.encode(), value.encode()) for name, value in filled]


class Way(Protocol):
    @property
    def name(self) -> str: ...

    def ask(self, stored: Stored, case: Case) -> httpx.Response | None:
        """None where the way has no words for the case: a disposition."""
        ...


@dataclass(frozen=True)
class ByToken:
    """With a token, from the element itself, from query itself, or through the gateway."""

    name: str
    world: World
    base: str
    bearer: dict[str, str]
    says_disposition: bool = False
    body: bytes = b""

    def ask(self, stored: Stored, case: Case) -> httpx.Response | None:
        if case.disposition is not None and not self.says_disposition:
            return None
        return self.world.http.request(
            case.method,
            f"{self.base}/api/v1/files/{stored.file_id}/download",
            params={} if case.disposition is None else {"disposition": case.disposition},
            headers=[*sent(case, stored), *((k.encode(), v.encode()) for k, v in self.bearer.items())],
            content=self.body,
        )


@dataclass(frozen=True)
class ByTicket:
    """With a ticket in the url, from the element itself."""

    name: str
    world: World
    base: str

    def ask(self, stored: Stored, case: Case) -> httpx.Response:
        key = parse_key((self.world.stack.layout.secrets / f"ticket-key-{ELEMENT}").read_text())
        subject = FileSubject(UUID(stored.file_id))
        ticket = Tickets(ELEMENT, key).issue(subject, ["GET"], disposition=case.disposition)
        url = f"{self.base}/api/v1/files/{stored.file_id}/download"
        return self.world.http.request(case.method, url, params={"ticket": ticket}, headers=sent(case, stored))


@dataclass(frozen=True)
class ByLink:
    """With a link, from query itself or through the gateway."""

    name: str
    world: World
    base: str
    _made: dict[tuple[str, str | None], str] = field(default_factory=dict)

    def ask(self, stored: Stored, case: Case) -> httpx.Response:
        wanted = (stored.file_id, case.disposition)
        if wanted not in self._made:
            self._made[wanted] = self.world.link(stored.file_id, case.disposition).partition("?")[2]
        url = f"{self.base}/api/v1/links/download?{self._made[wanted]}"
        return self.world.http.request(case.method, url, headers=sent(case, stored))


def ways_of(world: World) -> list[Way]:
    """Query hands the bytes on itself; behind the gateway it redirects, but for a request with a body, which cannot be."""
    element, query = world.credentials["storage_elements"][ELEMENT], world.credentials["services"]["query"]
    own = world.bearer("service", resource=f"urn:artstore:element:{ELEMENT}")
    return [
        ByToken("element, token", world, element, own, says_disposition=True),
        ByTicket("element, ticket", world, element),
        ByToken("query, token", world, query, world.bearer()),
        ByLink("query, link", world, query),
        ByToken("gateway and query, token", world, world.gateway, world.bearer(), body=b"x"),
        ByToken(f"{REDIRECTED}, token", world, world.gateway, world.bearer()),
        ByLink(f"{REDIRECTED}, link", world, world.gateway),
    ]
