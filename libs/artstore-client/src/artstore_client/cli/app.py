"""The `artstore` command: its subcommands and its way out."""

from __future__ import annotations

import contextlib
import sys
from typing import Annotated, Any

import typer

from artstore_client.cli import accounts, files, searches, uploads
from artstore_client.cli.output import Output
from artstore_client.cli.run import BROKEN_PIPE, forget_stdout
from artstore_client.version import __version__

app = typer.Typer(
    name="artstore",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    accounts.login,
    accounts.whoami,
    uploads.upload,
    searches.search,
    files.info,
    files.download,
):
    app.command()(command)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"artstore {__version__}")
        raise typer.Exit


@app.callback()
def artstore(
    output: Annotated[Output, typer.Option(help="What to print on stdout.")] = Output.TEXT,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Put files into ArtStore, find them, get them back.

    Exit codes: 0 all done, 1 something failed (named on stderr; the rest is done), 2 wrong usage or no configuration,
    75 ArtStore could not be reached for too long (the same command again goes on with its uploads), 130 interrupted, 141 nobody reads stdout any more.
    """
    del output, version  # read from the context, used by the callback


def main() -> None:
    """Runs the command and ends the process."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # replaced by something that is no text file
            _tolerant(stream)
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        forget_stdout()
        sys.exit(BROKEN_PIPE)


def _tolerant(stream: Any) -> None:
    """A name that the terminal's encoding lacks, or that is not text at all, is shown escaped instead of raising."""
    stream.reconfigure(errors="backslashreplace")
