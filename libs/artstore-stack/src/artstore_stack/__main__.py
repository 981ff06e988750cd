"""`python -m artstore_stack up|down|reset|status|stop|start`: what the Makefile calls."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from artstore_stack import leftovers
from artstore_stack.errors import StackError
from artstore_stack.layout import Layout
from artstore_stack.parts import Part
from artstore_stack.ports import DEFAULT_BASE
from artstore_stack.stack import Stack
from artstore_stack.status import table
from artstore_stack.usage import usage
from artstore_stack.watch import Watcher

_INTERRUPTED: Final = 128 + signal.SIGINT
_GONE_SECONDS: Final = 5.0


def main(arguments: list[str] | None = None) -> int:
    """Exit 0 when it was done, 1 when not (or not everything is healthy), 2 for a wrong command line, 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` means what Ctrl-C means
    try:
        return _run(options)
    except StackError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        # A full disk, somebody else's directory: to be mended on this machine, and a traceback does not say where.
        print(f"{error.filename or 'this machine says'}: {error.strerror or error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return _INTERRUPTED
    return 1


def _run(options: argparse.Namespace) -> int:
    stack = _stack(os.environ, fresh=options.command == "up")
    match options.command:
        case "up":
            return _up(stack, detach=options.detach)
        case "status":
            return _status(stack)
        case "stop":
            stack.stop(options.part)
        case "start":
            stack.start(options.part)
        case "down":
            stack.down()
            print(_stopped(stack))
        case "reset":
            stack.reset()
            print(f"{stack.data_dir} is gone")
    return 0


def _up(stack: Stack, *, detach: bool) -> int:
    if stack.running:
        print("ArtStore runs already.")
        return _status(stack)
    if not detach:
        # Also where whoever started this ignores SIGINT, as a shell does for what it runs in the background.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
    ready = False
    try:
        stack.up()
        ready = True
        print(usage(stack), flush=True)
        if detach:
            return 0
        print("Ctrl-C stops it.", flush=True)
        Watcher(stack.layout, stack.supervisor, _say).run()
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # a second one must not leave half of it running
        print("\nstopping: requests in flight may finish", flush=True)
        stack.down()
        print(_stopped(stack))
        return 0 if ready else _INTERRUPTED
    return _without_supervisor(stack)


def _without_supervisor(stack: Stack) -> int:
    if leftovers.wait_until_gone(stack.layout.root, _GONE_SECONDS):
        print(_stopped(stack))
        return 0
    print(
        "the supervisor was killed, and what it kept runs on with nobody to watch it: "
        "`make up` begins anew, `make down` stops it",
        file=sys.stderr,
    )
    return 1


def _stopped(stack: Stack) -> str:
    there = stack.layout.root.exists()
    return f"stopped; the data stays in {stack.data_dir}" if there else f"{stack.data_dir} is not there"


def _status(stack: Stack) -> int:
    statuses = stack.status()
    print(table(statuses))
    return 0 if all(status.ok for status in statuses) else 1


def _stack(environ: Mapping[str, str], *, fresh: bool) -> Stack:
    """The stack that the variables name. One that runs is found on the ports where it was started."""
    data_dir = Path(environ.get("ARTSTORE_DATA_DIR") or ".artstore")
    named = environ.get("ARTSTORE_PORT_BASE")
    try:
        base = int(named) if named else None
    except ValueError:
        raise StackError(f"ARTSTORE_PORT_BASE is not a number: {named!r}") from None
    recorded = Layout(data_dir.absolute()).recorded_port_base()
    if not fresh or Stack(data_dir).running:
        base = recorded or base
    return Stack(data_dir, base or DEFAULT_BASE, environ, _say)


def _say(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="artstore_stack", description="ArtStore on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start everything")
    up.add_argument("--detach", action="store_true", help="return once everything is ready")
    commands.add_parser("down", help="stop everything, keep the data")
    commands.add_parser("reset", help="stop everything, throw the data away")
    commands.add_parser("status", help="each part: state, pid, since, health, reason")
    for name, words in (("stop", "take one part away"), ("start", "bring one part back")):
        command = commands.add_parser(name, help=words)
        command.add_argument("part", choices=[part.value for part in Part])
    return parser


if __name__ == "__main__":
    sys.exit(main())
