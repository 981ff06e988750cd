"""An element in a process of its own that kills itself at a chosen call; many of them, cheaply.

`Nursery` starts one Python that has everything imported and forks a child for each order. A child makes an element on a
real directory, carries out steps, and tells through a pipe what it asked for and what it was told; at the chosen call to
the filesystem it is gone.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from artstore_core.modes import Mode
from artstore_testing.tokens import TokenIssuer
from element_faults import READS, KillingFileSystem, Moment
from element_histories import Acknowledged, Attempted
from element_session import BEGINNING, Session, Step, View, initialise, subject_of


@dataclass(frozen=True)
class Order:
    """What a child is to do. `kill_at` 0 lets it live. It counts from the first of `steps` on, or, with
    `from_the_start`, from before the element is made; the end of the element (as by SIGTERM) counts too, unless
    it is to be `dropped`, which ends the process on the spot after the last step.
    """

    root: str
    steps: Sequence[Step]
    kill_at: int = 0
    moment: str = Moment.BEFORE.value
    from_the_start: bool = False
    dropped: bool = False
    mode: str | None = None
    """The root is made first, in this mode."""
    looking: bool = False
    """Tells how things were seen before and after each step; those looks are calls as well."""


@dataclass
class Life:
    """What a child told. `calls` is their number in a whole life, None in one that was cut short; `log` names them."""

    marks: list[object] = field(default_factory=list)
    views: list[tuple[str, View, View]] = field(default_factory=list)
    """Of each step: whom it changed, and how that was seen before and after it."""
    calls: int | None = None
    log: list[str] = field(default_factory=list)
    trouble: str | None = None


class Nursery:
    """Use as a context. `log` takes what the children print."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def __enter__(self) -> Nursery:
        reader, writer = os.pipe()
        path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(writer)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[writer],
                env=os.environ | {"PYTHONPATH": path},
                text=True,
            )
        os.close(writer)
        self._told = os.fdopen(reader)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(30)
        self._told.close()

    def run(self, order: Order) -> Life:
        """Blocks until the child is gone."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        life = Life()
        for line in self._told:
            match json.loads(line):
                case ["attempted", subject, version]:
                    life.marks.append(Attempted(subject, version))
                case ["acknowledged", subject, version]:
                    life.marks.append(Acknowledged(subject, version))
                case ["seen", subject, before, after]:
                    life.views.append((subject, before, after))
                case ["calls", log]:
                    life.calls, life.log = len(log), log
                case ["trouble", text]:
                    life.trouble = text
                case ["gone"]:
                    return life
        raise RuntimeError(f"the nursery is gone: {self._log.read_text()[-2000:]}")


def _serve(told: int) -> None:
    issuer = TokenIssuer()
    Session(Path("/nowhere"), KillingFileSystem(), issuer)  # what is made once need not be made by each child
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _live(Order(**json.loads(line)), issuer, told)
        os.waitpid(child, 0)
        _tell(told, "gone")


def _live(order: Order, issuer: TokenIssuer, told: int) -> None:
    try:
        asyncio.run(_life(order, issuer, told))
    except BaseException as error:  # noqa: BLE001  # whatever it is, the test must hear of it
        with suppress(BrokenPipeError):
            _tell(told, "trouble", repr(error))
    os._exit(0)


async def _life(order: Order, issuer: TokenIssuer, told: int) -> None:
    root, filesystem = Path(order.root), KillingFileSystem(ignoring=READS)
    if order.mode is not None:
        initialise(root, filesystem, Mode(order.mode))
    if order.from_the_start:
        filesystem.arm(order.kill_at, Moment(order.moment))
    session = await Session(root, filesystem, issuer, lambda: BEGINNING).start()
    if not order.from_the_start:
        filesystem.arm(order.kill_at, Moment(order.moment))
    versions: dict[str, int] = {}
    for step in order.steps:
        await _carry_out(session, step, versions, told, looking=order.looking)
    if order.dropped:
        return
    await session.stop()
    _tell(told, "calls", filesystem.log)


async def _carry_out(session: Session, step: Step, versions: dict[str, int], told: int, *, looking: bool) -> None:
    subject = subject_of(step)
    if subject is None:
        _check(step, await session.perform(step))
        return
    before = await session.view(subject) if looking else None
    versions[subject] = versions.get(subject, 0) + 1
    _tell(told, "attempted", subject, versions[subject])
    _check(step, await session.perform(step))
    _tell(told, "acknowledged", subject, versions[subject])
    if looking:
        _tell(told, "seen", subject, before, await session.view(subject))


def _check(step: Step, answer: Any) -> None:
    if not answer.is_success:
        raise RuntimeError(f"{step}: {answer.status_code} {answer.text}")


def _tell(told: int, *what: Any) -> None:
    os.write(told, json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
