"""Finds the settings: arguments, then ARTSTORE_* variables, then `artstore login`, then `make up`'s credentials.json.

A secret from a file is only ever sent to a URL that the same file names: another URL, given by an argument or a
variable, needs an id and a secret given the same way. And a `.artstore/credentials.json` found by looking upwards must
belong to whoever runs us, or anyone who can write to a parent directory could decide where our files go.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from artstore_client.config import Config, clean_url
from artstore_client.errors import ConfigurationError

CREDENTIALS = "credentials.json"


@dataclass(frozen=True, slots=True)
class Account:
    """What one file says. Its first URL is used when none is given."""

    urls: tuple[str, ...]
    client_id: str
    client_secret: str
    ca: Path | None


class _Reader(Protocol):
    def __call__(self, path: Path, data: Any) -> Account: ...


def load_config(
    *,
    url: str | None = None,
    client_id: str | None = None,
    client_secret: str | None = None,
    ca: Path | str | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Config:
    """The settings in force. Raises ConfigurationError, saying what is missing or which file is wrong."""
    env = os.environ if environ is None else environ
    url = url or env.get("ARTSTORE_URL")
    url = clean_url(url) if url else None
    client_id = client_id or env.get("ARTSTORE_CLIENT_ID")
    client_secret = client_secret or env.get("ARTSTORE_CLIENT_SECRET")
    ca = ca or env.get("ARTSTORE_CA")
    if bool(client_id) != bool(client_secret):
        missing = "ARTSTORE_CLIENT_SECRET" if client_id else "ARTSTORE_CLIENT_ID"
        raise ConfigurationError(f"client id and secret go together: {missing} is not set")
    if not (url and client_id and (ca or url.startswith("http:"))):
        try:
            account = next((a for a in _accounts(env, cwd or Path.cwd()) if url is None or url in a.urls), None)
        except ConfigurationError:
            if not (url and client_id):
                raise
            account = None  # it could only have named a CA: whoever said all the rest may well mean the system's
        if account:
            url = url or account.urls[0]
            ca = ca or account.ca
            if not client_id:
                client_id, client_secret = account.client_id, account.client_secret
    if not url:
        raise ConfigurationError("no ArtStore is configured: run `artstore login` or set ARTSTORE_URL")
    if not client_id or not client_secret:
        raise ConfigurationError(
            f"no account is known for {url}: run `artstore login`, or set ARTSTORE_CLIENT_ID and ARTSTORE_CLIENT_SECRET"
        )
    return Config(url=url, client_id=client_id, client_secret=client_secret, ca=Path(ca) if ca else None)


def saved_path(environ: Mapping[str, str] | None = None) -> Path:
    """Where `artstore login` keeps its settings (XDG Base Directory: a relative XDG_CONFIG_HOME is ignored)."""
    env = os.environ if environ is None else environ
    base = Path(env.get("XDG_CONFIG_HOME") or "")
    if not base.is_absolute():
        base = (Path(env["HOME"]) if env.get("HOME") else Path.home()) / ".config"
    return base / "artstore" / "config.json"


def save(config: Config, path: Path) -> None:
    """Writes the settings, readable by their owner alone from the first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    content = {
        "url": config.url,
        "client_id": config.client_id,
        "client_secret": config.client_secret,
        "ca": str(config.ca.absolute()) if config.ca else None,
    }
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _accounts(env: Mapping[str, str], cwd: Path) -> Iterator[Account]:
    yield from _read(saved_path(env), _saved_account)
    if named := env.get("ARTSTORE_DATA_DIR"):
        yield from _read(cwd / named / CREDENTIALS, _local_account)
        return
    for folder in (cwd, *cwd.parents):
        path = folder / ".artstore" / CREDENTIALS
        if path.is_file():
            _must_be_ours(path)
            yield from _read(path, _local_account)
            return


def _read(path: Path, reader: _Reader) -> Iterator[Account]:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from error
    try:
        account = reader(path, json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{path} is not in the expected form") from error
    yield account


def _saved_account(path: Path, data: Any) -> Account:
    del path
    ca = data.get("ca")
    return Account(
        urls=(clean_url(data["url"]),),
        client_id=str(data["client_id"]),
        client_secret=str(data["client_secret"]),
        ca=Path(ca) if ca else None,
    )


def _local_account(path: Path, data: Any) -> Account:
    """The `client` account of the stack that `make up` started."""
    account = data["service_accounts"]["client"]
    urls = [data["gateway"], data.get("gateway_tls")]
    return Account(
        urls=tuple(clean_url(url) for url in urls if url),
        client_id=str(account["client_id"]),
        client_secret=str(account["client_secret"]),
        ca=_local_ca(path, data.get("ca")),
    )


def _local_ca(path: Path, named: str | None) -> Path | None:
    """`ca` is relative to where `make up` ran, usually the data directory's parent; the data may have been moved."""
    if not named:
        return None
    candidates = (path.parent.parent / named, path.parent / "tls" / "ca.crt")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _must_be_ours(path: Path) -> None:
    if hasattr(os, "getuid") and path.stat().st_uid != os.getuid():
        raise ConfigurationError(
            f"{path} belongs to another user; if you trust it, set ARTSTORE_DATA_DIR={path.parent}"
        )
