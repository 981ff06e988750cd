"""Commands for the operator who cannot sign in, `unlock` and `reset-password`; and how every command says why it failed."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from artstore_core.errors import ArtStoreError
from artstore_kit.commands import prepare
from artstore_postgres.engine import make_engine

from admin_service.audit.log import Actor, Journal
from admin_service.bootstrap import BootstrapUnreadable
from admin_service.config import Settings
from admin_service.db.engine import Database
from admin_service.identity.clock import system_clock
from admin_service.identity.passwords import new_one_time_password
from admin_service.identity.secrets import Argon2Hasher
from admin_service.identity.users import AdminUsers
from admin_service.main import SERVICE

COMMAND_LINE = Actor("command-line")

T = TypeVar("T")


def run_unlock(*, username: str) -> None:
    async def unlock(users: AdminUsers) -> None:
        await users.unlock(await users.id_of(username), COMMAND_LINE)

    _with_users(unlock)
    sys.stdout.write(f"{username} may try again\n")


def run_reset_password(*, username: str, password_file: str | None) -> None:
    """Without a file it makes a password and prints it. Either way it is good for one thing: to choose another."""
    made = None if password_file else new_one_time_password()

    async def reset(users: AdminUsers) -> None:
        password = made if made is not None else await asyncio.to_thread(_read, password_file or "-")
        await users.reset_password(await users.id_of(username), password, COMMAND_LINE)

    _with_users(reset)
    if made is not None:
        sys.stdout.write(f"{made}\n")


def unlock_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("username")


def reset_password_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("username")
    parser.add_argument("--password-file", metavar="FILE", help="take the password from there; - is standard input")


def _read(name: str) -> str:
    """One line's end is the editor's, not the password's."""
    text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    return text.removesuffix("\n").removesuffix("\r")


def _with_users(work: Callable[[AdminUsers], Awaitable[None]]) -> None:
    settings = prepare(Settings, SERVICE)

    async def run() -> None:
        url = settings.database_url.get_secret_value()
        database = Database(make_engine(url, application=f"{SERVICE.name} command", pool_size=1))
        try:
            await work(AdminUsers(database.transaction, Argon2Hasher(), Journal(system_clock), system_clock))
        finally:
            await database.close()

    carried_out(run())


def carried_out(command: Coroutine[Any, Any, T]) -> T:
    """What it gives. Exits with code 1 and a reason when it cannot be done."""
    try:
        return asyncio.run(command)
    except (ArtStoreError, BootstrapUnreadable, OSError, UnicodeDecodeError) as error:
        details = error.details if isinstance(error, ArtStoreError) else {}
        reasons = "".join(f"; {field} {reason}" for field, reason in details.items())
        sys.stderr.write(f"{error}{reasons}\n")
        raise SystemExit(1) from None
