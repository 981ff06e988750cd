"""Runs a command's asynchronous part and turns how it ends into an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import anyio
import typer

from artstore_client.aio import AsyncArtStore
from artstore_client.cli.output import say
from artstore_client.config import Config
from artstore_client.discover import load_config
from artstore_client.errors import ArtStoreClientError, ConfigurationError
from artstore_client.policy import UploadPolicy
from artstore_client.resumable.patience import passes

FAILED, USAGE, UNFINISHED, INTERRUPTED, BROKEN_PIPE = 1, 2, 75, 128 + 2, 128 + 13
"""75 is EX_TEMPFAIL of sysexits.h. The last two are what a shell reports for a process that SIGINT or SIGPIPE ended."""

Work = Callable[[AsyncArtStore], Awaitable[None]]


@dataclass(slots=True)
class Failures:
    """What failed is named at once; the exit code remembers that something did."""

    count: int = 0
    passing: int = 0

    def add(self, what: object, error: Exception) -> None:
        self.count += 1
        self.passing += passes(error)
        say(f"{what}: {reason(error)}")

    def settle(self) -> None:
        """UNFINISHED where nothing was refused, and the same command may do it later."""
        if self.count:
            raise typer.Exit(UNFINISHED if self.passing == self.count else FAILED)


def reason(error: Exception) -> str:
    """For people: an OSError's own text repeats the path, which is named already."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def execute(work: Work, config: Config | None = None, *, uploads: UploadPolicy | None = None) -> None:
    """Runs the work with a client. Ends by typer.Exit when it fails."""
    try:
        config = config or load_config()
        if uploads:
            config = replace(config, uploads=uploads)
        anyio.run(_supervised, work, config)
    except ConfigurationError as error:
        say(str(error))
        raise typer.Exit(USAGE) from error
    except KeyboardInterrupt as error:
        raise typer.Exit(INTERRUPTED) from error
    except BrokenPipeError as error:
        forget_stdout()
        raise typer.Exit(BROKEN_PIPE) from error
    except (ArtStoreClientError, OSError) as error:
        say(str(error))
        raise typer.Exit(UNFINISHED if passes(error) else FAILED) from error


async def _supervised(work: Work, config: Config) -> None:
    """The work in a task group: Ctrl-C cancels asyncio's main task, and only inside a group does that wait for what
    must not be interrupted, such as removing a half-written file."""
    problems: list[Exception] = []

    async def guarded() -> None:
        try:
            async with AsyncArtStore(config) as store:
                await work(store)
        except Exception as error:  # noqa: BLE001 - carried out of the group as it is, not wrapped in one
            problems.append(_foremost(error))

    async with anyio.create_task_group() as group:
        group.start_soon(guarded)
    if problems:
        raise problems[0]


def _foremost(error: Exception) -> Exception:
    """What a group of tasks failed with; that the reader went away explains all the rest."""
    if not isinstance(error, ExceptionGroup):
        return error
    leaves = [_foremost(leaf) for leaf in error.exceptions]
    return next((leaf for leaf in leaves if isinstance(leaf, BrokenPipeError)), leaves[0])


def forget_stdout() -> None:
    """Nobody reads any more: what is still buffered must not raise again while Python shuts down."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
