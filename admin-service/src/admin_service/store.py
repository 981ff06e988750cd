"""What admin keeps, as the meaning sees it: `db/` fulfils this, the edge asks for one transaction a request."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from admin_service.audit.log import AuditRows
from admin_service.audit.search import AuditSearchRows
from admin_service.idempotency.keys import IdempotencyRows
from admin_service.identity.accounts import AccountRows
from admin_service.identity.inspection import RevokedRows
from admin_service.identity.keys import KeyRows
from admin_service.identity.lockout import FailureRows
from admin_service.identity.quota import UsageRows
from admin_service.identity.sessions import SessionRows
from admin_service.identity.users import UserRows
from admin_service.quotas.reservations import QuotaRows
from admin_service.registry.elements import ElementRows
from admin_service.registry.files import FileRows
from admin_service.registry.syncs import SyncHistory
from admin_service.registry.totals import TotalRows


class AuditLogRows(AuditRows, AuditSearchRows, Protocol):
    """Adding and searching."""


class Rows(Protocol):
    """Every table, within one transaction."""

    @property
    def accounts(self) -> AccountRows: ...
    @property
    def audit(self) -> AuditLogRows: ...
    @property
    def elements(self) -> ElementRows: ...
    @property
    def failures(self) -> FailureRows: ...
    @property
    def files(self) -> FileRows: ...
    @property
    def idempotency(self) -> IdempotencyRows: ...
    @property
    def keys(self) -> KeyRows: ...
    @property
    def quotas(self) -> QuotaRows: ...
    @property
    def revoked(self) -> RevokedRows: ...
    @property
    def sessions(self) -> SessionRows: ...
    @property
    def syncs(self) -> SyncHistory: ...
    @property
    def totals(self) -> TotalRows: ...
    @property
    def usage(self) -> UsageRows: ...
    @property
    def users(self) -> UserRows: ...


class Store(Protocol):
    def transaction(self) -> AbstractAsyncContextManager[Rows]:
        """Commits at the end, rolls back on any error. Raises AdminUnavailable when the database is away."""
        ...
