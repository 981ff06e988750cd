"""Client authentication at the OAuth endpoints: token, introspection, revocation (RFC 6749 §2.3)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from artstore_audit import Outcome
from artstore_core.scopes import AccountKind
from authlib.oauth2.rfc6749.errors import InvalidClientError

from admin_service.audit.log import Actor, AuditRows, Journal
from admin_service.identity.accounts import AccountRows, ServiceAccount
from admin_service.identity.clock import Clock
from admin_service.identity.lockout import shown_name
from admin_service.identity.secrets import SecretHasher, Slots

LOOKUPS_AT_ONCE = 3
"""Fewer than the connections to the database, of which a flood must leave some to everybody else."""
LOOKUPS_AT_MOST = 256
"""Many, for one takes a millisecond or two, and before it nobody knows whether a service or a stranger asks."""


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    client_id: str
    secret: str


@dataclass(frozen=True, slots=True)
class Proven:
    """The account as it stood before the hash was reckoned, and which of its hashes the secret belongs to."""

    account: ServiceAccount
    secret_hash: str


class Rows(Protocol):
    @property
    def accounts(self) -> AccountRows: ...
    @property
    def audit(self) -> AuditRows: ...


class ClientAuthentication:
    """`for_services` checks the secrets of accounts of kind service: a flood of sign-ins from outside fills the other
    hasher's queue, and must not keep ArtStore's own parts from renewing their tokens.

    Secrets are 256 random bits, which nobody guesses: wrong ones lock nothing, but they are in the audit log.
    """

    def __init__(
        self,
        transactions: Callable[[], AbstractAsyncContextManager[Rows]],
        hasher: SecretHasher,
        for_services: SecretHasher,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._transactions, self._journal, self._clock = transactions, journal, clock
        self._hasher, self._for_services = hasher, for_services
        self._lookups = Slots(LOOKUPS_AT_ONCE, LOOKUPS_AT_MOST)

    async def prove(self, credentials: ClientCredentials, by: Actor) -> Proven:
        """One answer and one cost for an unknown account, a wrong or expired secret, a suspended account.

        Raises InvalidClientError, RateLimited.
        """
        async with self._lookups.taken(), self._transactions() as rows:
            account = await rows.accounts.by_client_id(credentials.client_id)
        # The transaction is over before the slow part: hashing must not hold a connection.
        hashes = account.usable_hashes(self._clock()) if account else []
        is_service = account is not None and account.kind is AccountKind.SERVICE
        hasher = self._for_services if is_service else self._hasher
        secret_hash = await hasher.matching(credentials.secret, hashes)
        if account is None or secret_hash is None:
            await self.deny(account.client_id if account else shown_name(credentials.client_id), by)
            raise invalid_client()
        return Proven(account, secret_hash)

    async def deny(self, client_id: str, by: Actor, reason: str | None = None) -> None:
        """Leaves an entry of a sign-in that is refused."""
        details = {} if reason is None else {"reason": reason}
        entry = self._journal.entry(by, "client_sign_in.denied", Outcome.DENIED, client_id, details)
        async with self._transactions() as rows:
            await rows.audit.add([entry])


def invalid_client() -> InvalidClientError:
    return InvalidClientError(description="Unknown client or wrong secret", status_code=401)
