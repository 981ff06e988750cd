"""Decoding in a process of its own, which may die without harm to anybody."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from render_service.decoders.contract import Decoded, DecodeFailed, Limits, MediaKind, Output, Progress, Ready, Wanted
from render_service.decoders.office import Office
from render_service.decoders.surroundings import surroundings
from render_service.decoders.wire import MESSAGE, Failed, Finished, Made, Step, Task

_LONGEST_LINE: Final = 4 * 1024 * 1024
"""Bytes of one message: the last one names all that was made."""
_STDERR_KEPT: Final = 20
"""Lines of what native libraries say before they die."""
_OUT_OF_MEMORY: Final = ("out of memory", "cannot allocate", "failed to allocate", "bad_alloc", "memory allocation")


async def decode(
    source: Path,
    kind: MediaKind,
    wanted: Wanted,
    into: Path,
    limits: Limits,
    progress: Progress,
    ready: Ready | None = None,
) -> Decoded:
    """Makes pictures of `source` in the directory `into`. Cancelled, it kills the process.

    Raises DecodeFailed, whose reason a person understands.
    """
    child = await _started(into, limits)
    said: deque[str] = deque(maxlen=_STDERR_KEPT)
    task = Task(source=source, kind=kind, wanted=wanted, into=into, limits=limits)
    begun, given = asyncio.get_running_loop().time(), limits

    def step(done: int, total: int) -> None:
        nonlocal given
        given = limits.of_pages(total)
        if not clock.expired():
            clock.reschedule(begun + given.seconds)
        progress(done, total)

    try:
        async with asyncio.timeout_at(begun + given.seconds) as clock:
            async with asyncio.TaskGroup() as both:
                both.create_task(_listen(child, said))
                told = both.create_task(_converse(child, task, step, ready))
            code = await child.wait()
    except TimeoutError:
        raise DecodeFailed(f"takes more than {given.seconds:g} seconds", permanent=True) from None
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
    match told.result():
        case Finished(decoded=decoded):
            _check(decoded.outputs, into)
            return decoded
        case Failed(reason=reason, permanent=permanent):
            raise DecodeFailed(reason, permanent=permanent)
        case _:
            raise _of_a_death(code, said, given)


async def _started(into: Path, limits: Limits) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "render_service.decoders.child",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
        env=surroundings(into, limits),
    )


async def _converse(
    child: asyncio.subprocess.Process, task: Task, progress: Progress, ready: Ready | None
) -> Finished | Failed | None:
    """Its last word; None where it died without one."""
    assert child.stdin is not None
    assert child.stdout is not None
    with suppress(ConnectionError):
        child.stdin.write(task.model_dump_json().encode())
        child.stdin.write_eof()
    last: Finished | Failed | None = None
    try:
        async for line in child.stdout:
            match MESSAGE.validate_json(line):
                case Step(done=done, total=total):
                    progress(done, total)
                case Made(output=output) if ready is not None:
                    _check([output], task.into)
                    ready(output)
                case Finished() | Failed() as word:
                    last = word
    except DecodeFailed as failure:
        return Failed(reason=failure.reason)
    except ValueError:
        # What was decoded has taken the process over, or its last line broke off.
        return None
    return last


def _check(outputs: Iterable[Output], into: Path) -> None:
    """A process that what it decoded has taken over must not name files of others. Raises DecodeFailed."""
    for output in outputs:
        if output.path.parent != into or output.path.is_symlink() or not output.path.is_file():
            raise DecodeFailed("cannot be decoded: the decoder was misled", permanent=True)


async def _listen(child: asyncio.subprocess.Process, said: deque[str]) -> None:
    assert child.stderr is not None
    # In pieces: a library that writes without a line's end must not fill memory, nor stand still on a full pipe.
    while piece := await child.stderr.read(65536):
        said.append(piece[-2000:].decode(errors="replace"))


def _of_a_death(code: int, said: deque[str], limits: Limits) -> DecodeFailed:
    words = " ".join(said).lower()
    if any(sign in words for sign in _OUT_OF_MEMORY):
        return DecodeFailed(f"takes more than {limits.memory_bytes // 2**20} MiB of memory", permanent=True)
    if code == -signal.SIGXCPU:
        return DecodeFailed(f"takes more than {limits.cpu_seconds} seconds of processor time", permanent=True)
    if code == -signal.SIGKILL:
        # Not by us: the system needed the memory, or somebody stopped the worker.
        return DecodeFailed("was stopped by the system", permanent=False)
    return DecodeFailed("cannot be decoded: the decoder broke down on it", permanent=True)


class Decoders:
    """All of them; office documents are made into PDF first."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def decode(
        self,
        source: Path,
        kind: MediaKind,
        wanted: Wanted,
        into: Path,
        limits: Limits,
        progress: Progress,
        ready: Ready | None = None,
    ) -> Decoded:
        """As the function above."""
        if kind is not MediaKind.OFFICE:
            return await decode(source, kind, wanted, into, limits, progress, ready)
        pdf = into / "document.pdf"
        try:
            await self._office.to_pdf(source, pdf, limits)
            return await decode(pdf, MediaKind.PDF, wanted, into, limits, progress, ready)
        finally:
            pdf.unlink(missing_ok=True)
