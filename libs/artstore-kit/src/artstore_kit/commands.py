"""`python -m <service> <command>`: every service's commands, told apart and explained in one way."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from artstore_kit.app import ServiceInfo
from artstore_kit.logs import configure_logs
from artstore_kit.settings import ServiceSettings, load

S = TypeVar("S", bound=ServiceSettings)


def _no_arguments(_parser: argparse.ArgumentParser) -> None: ...


@dataclass(frozen=True)
class Command:
    """`words` explains it in `--help`. `arguments` adds the command's own, which `run` gets by their names."""

    run: Callable[..., None]
    words: str
    arguments: Callable[[argparse.ArgumentParser], None] = _no_arguments


def prepare(settings: type[S], service: ServiceInfo) -> S:
    """The settings from the environment, with logs set up as they say. Exits with code 2 when they are wrong."""
    loaded = load(settings)
    configure_logs(service.name, level=loaded.log_level, form=loaded.log_format)
    return loaded


def run_command(
    package: str, service: ServiceInfo, commands: Mapping[str, Command], arguments: Sequence[str] | None = None
) -> None:
    """Runs the command that the arguments name (default: the process's own)."""
    parser = argparse.ArgumentParser(prog=f"python -m {package}", description=service.description)
    choices = parser.add_subparsers(dest="command", required=True)
    for name, command in commands.items():
        command.arguments(choices.add_parser(name, help=command.words))
    given = vars(parser.parse_args(arguments))
    commands[given.pop("command")].run(**given)
