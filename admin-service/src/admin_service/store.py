"""What admin keeps, as the meaning sees it: `db/` fulfils this, the edge asks for one transaction a request."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from admin_service.audit.log import AuditRows
from admin_service.identity.accounts import AccountRows
from admin_service.identity.keys import KeyRows
from admin_service.identity.users import UserRows
from admin_service.registry.elements import ElementRows
from admin_service.registry.files import FileRows


class Rows(Protocol):
    """Every table, within one transaction."""

    @property
    def accounts(self) -> AccountRows: ...
    @property
    def audit(self) -> AuditRows: ...
    @property
    def elements(self) -> ElementRows: ...
    @property
    def files(self) -> FileRows: ...
    @property
    def keys(self) -> KeyRows: ...
    @property
    def users(self) -> UserRows: ...


class Store(Protocol):
    def transaction(self) -> AbstractAsyncContextManager[Rows]:
        """Commits at the end, rolls back on any error. Raises AdminUnavailable when the database is away."""
        ...
