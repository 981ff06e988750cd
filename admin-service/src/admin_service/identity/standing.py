"""Whether a token that is good by itself still counts (requirement I7): artstore_auth's Standing, on admin alone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from artstore_auth.challenge import invalid_token
from artstore_core.scopes import Principal


@dataclass(frozen=True, slots=True)
class Known:
    """What admin knows of a token and of its principal."""

    active: bool
    tokens_not_before: datetime | None
    revoked: bool
    """The token, or the session that it belongs to, was ended."""


class StandingRows(Protocol):
    async def of_account(self, client_id: str, token_id: str) -> Known | None:
        """None when there is no such account. One query."""
        ...

    async def of_user(self, username: str, token_id: str) -> Known | None:
        """None when there is no such user. One query."""
        ...


class TokenStanding:
    """Refuses what was revoked, and tokens of principals that are gone, suspended, or had all of theirs ended."""

    def __init__(self, rows: Callable[[], AbstractAsyncContextManager[StandingRows]]) -> None:
        self._rows = rows

    async def check(self, principal: Principal) -> None:
        """Raises Unauthorized when the token counts no more."""
        if principal.token_id is None or principal.issued_at is None:
            raise invalid_token("incomplete")
        kind, _, name = principal.subject.partition(":")
        async with self._rows() as rows:
            known = await self._known(rows, kind, name, principal.token_id)
        if known is None or not known.active or known.revoked or _is_older(principal.issued_at, known):
            raise invalid_token("it was revoked")

    async def _known(self, rows: StandingRows, kind: str, name: str, token_id: str) -> Known | None:
        if kind == "sa":
            return await rows.of_account(name, token_id)
        return await rows.of_user(name, token_id) if kind == "user" else None


def date_of_token(now: datetime, not_before: datetime | None) -> int:
    """`iat` of a token issued now, whose principal's older ones ended at `not_before`.

    `iat` has whole seconds: of the second in which tokens were ended, all count as ended. What is issued later in that
    same second is dated the next.
    """
    second = int(now.timestamp())
    return second if not_before is None else max(second, int(not_before.timestamp()) + 1)


def end_of_tokens(now: datetime, before: datetime | None) -> datetime:
    """`tokens_not_before` that ends every token issued until now; `before`: what it was.

    Tokens may be dated a second ahead, after an end in this same second: this one has to reach those too.
    """
    return now if before is None else max(now, datetime.fromtimestamp(int(before.timestamp()) + 1, now.tzinfo))


def before_its_first_token(now: datetime) -> datetime:
    """A moment that ends every older token, and lets one be issued in this very second without a date to come."""
    return datetime.fromtimestamp(int(now.timestamp()) - 1, now.tzinfo)


def _is_older(issued_at: float, known: Known) -> bool:
    not_before = known.tokens_not_before
    return not_before is not None and issued_at <= int(not_before.timestamp())
