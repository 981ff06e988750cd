"""`artstore login` and `artstore whoami`."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from artstore_client.aio import AsyncArtStore
from artstore_client.cli.options import OutputOption, chosen
from artstore_client.cli.output import Output, print_json, print_text, say
from artstore_client.cli.run import USAGE, execute
from artstore_client.config import Config
from artstore_client.discover import save, saved_path
from artstore_client.errors import ConfigurationError
from artstore_client.models import Identity


def login(
    context: typer.Context,
    url: Annotated[str | None, typer.Option(envvar="ARTSTORE_URL", help="The gateway's address.")] = None,
    client_id: Annotated[str | None, typer.Option(envvar="ARTSTORE_CLIENT_ID", help="sa_…")] = None,
    secret_stdin: Annotated[bool, typer.Option(help="Read the secret from stdin's first line.")] = False,
    ca: Annotated[
        Path | None, typer.Option(envvar="ARTSTORE_CA", help="A PEM bundle to trust instead of the system's.")
    ] = None,
    output: OutputOption = None,
) -> None:
    """Save the address and the account, once they proved to work.

    The secret is asked for, or taken from ARTSTORE_CLIENT_SECRET; never from an option, which `ps` shows to everybody.
    """
    form = chosen(context, output)
    config = _config(url or _ask("URL"), client_id or _ask("Client id"), secret_stdin, ca)
    path = saved_path()

    async def work(store: AsyncArtStore) -> None:
        identity = await store.whoami()
        save(config, path)
        _show(identity, form)

    if config.in_the_clear:
        say(f"warning: {config.url} is not encrypted; the secret can be read on the way")
    execute(work, config)
    say(f"saved in {path}")


def whoami(context: typer.Context, output: OutputOption = None) -> None:
    """Get a token and show whom it stands for."""
    form = chosen(context, output)

    async def work(store: AsyncArtStore) -> None:
        _show(await store.whoami(), form)

    execute(work)


def _config(url: str, client_id: str, secret_stdin: bool, ca: Path | None) -> Config:
    if secret_stdin:
        secret = sys.stdin.readline().strip()
    else:
        secret = os.environ.get("ARTSTORE_CLIENT_SECRET") or _ask("Client secret", hidden=True)
    try:
        return Config(url=url, client_id=client_id, client_secret=secret, ca=ca)
    except ConfigurationError as error:
        say(str(error))
        raise typer.Exit(USAGE) from error


def _ask(what: str, *, hidden: bool = False) -> str:
    if not sys.stdin.isatty():
        say(f"{what} is missing, and there is no terminal to ask at (see artstore login --help)")
        raise typer.Exit(USAGE)
    answer: str = typer.prompt(what, hide_input=hidden, err=True)
    return answer.strip()


def _show(identity: Identity, form: Output) -> None:
    if form is not Output.TEXT:
        print_json({**asdict(identity), "expires_in": round(identity.expires_in)}, form)
    else:
        print_text(identity.subject, identity.url, " ".join(identity.scopes))
