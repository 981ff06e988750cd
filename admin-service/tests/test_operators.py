"""The commands of the operator who cannot sign in (I6, I7)."""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import sys
from pathlib import Path

from admin_people import ADMIN_PASSWORD, People
from admin_support import ISSUER, KEY
from artstore_testing.postgres import Database

NEW = "a password nobody had before"


async def command(
    database: Database, *arguments: str, typed: str = "", **more: str
) -> subprocess.CompletedProcess[str]:
    """`more`: settings."""
    settings = {
        "AM_DATABASE_URL": database.url("artstore_admin"),
        "AM_ISSUER": ISSUER,
        "AM_KEY_ENCRYPTION_KEY": base64.b64encode(KEY).decode(),
    }
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "admin_service", *arguments],
        env=os.environ | settings | more,
        input=typed,
        capture_output=True,
        text=True,
        check=False,
    )


async def test_unlock_by_command(people: People, migrated: Database) -> None:
    for _ in range(5):
        await people.login(password="wrong wrong wrong")
    assert (await people.login()).status_code == 401
    done = await command(migrated, "unlock", "admin")
    assert (done.returncode, done.stderr) == (0, "")
    assert (await people.login()).status_code == 200
    [entry] = await people.audit("admin_user.unlocked")
    assert (entry["actor"], entry["target"]) == ("command-line", "admin")


async def test_password_for_once_by_command(people: People, migrated: Database) -> None:
    before = await people.signed_in()
    done = await command(migrated, "reset-password", "admin")
    assert done.returncode == 0
    password = done.stdout.strip()
    assert len(password) >= 12
    assert (await people.login(password=ADMIN_PASSWORD)).status_code == 401
    assert (await people.me(before)).status_code == 401
    tokens = await people.signed_in(password=password)
    assert tokens["password_change_required"] is True
    assert (await people.change_password(tokens, password, NEW)).status_code == 204


async def test_password_from_standard_input(people: People, migrated: Database) -> None:
    done = await command(migrated, "reset-password", "admin", "--password-file", "-", typed=f"{NEW}\n")
    assert (done.returncode, done.stdout) == (0, "")
    assert (await people.login(password=NEW)).status_code == 200


async def test_what_cannot_be_done_is_said_and_fails(people: People, migrated: Database) -> None:
    unknown = await command(migrated, "unlock", "nobody")
    assert (unknown.returncode, unknown.stderr) == (1, "There is no such user\n")
    short = await command(migrated, "reset-password", "admin", "--password-file", "-", typed="short")
    assert (short.returncode, "at least 12 characters" in short.stderr) == (1, True)
    missing = await command(migrated, "reset-password", "admin", "--password-file", "/nowhere/at/all")
    assert missing.returncode == 1
    assert "Traceback" not in missing.stderr
    assert (await people.login()).status_code == 200


async def test_bootstrap_file_that_cannot_be_read_is_said_without_its_secrets(
    people: People,  # noqa: ARG001 - after it the roles may log in
    migrated: Database,
    tmp_path: Path,
) -> None:
    file = tmp_path / "bootstrap.json"
    file.write_text('{"admin": {"username": "admin", "pasword": "secret"}}')
    done = await command(migrated, "bootstrap", AM_BOOTSTRAP_FILE=str(file))
    assert done.returncode == 1
    assert done.stderr == "admin.password: Field required; admin.pasword: Extra inputs are not permitted\n"
    missing = await command(migrated, "bootstrap", AM_BOOTSTRAP_FILE=str(tmp_path / "nowhere"))
    assert (missing.returncode, "Traceback" in missing.stderr) == (1, False)


async def test_command_without_a_database_says_so(migrated: Database) -> None:
    done = await command(migrated, "rotate-keys", AM_DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing")
    assert (done.returncode, done.stderr) == (1, "The database cannot be reached now\n")
