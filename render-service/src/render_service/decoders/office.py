"""Office documents, made into PDF by a LibreOffice that is kept warm (requirement N3).

One LibreOffice for one document at a time, with no network, no macros, no links, and a profile of its own. It ends after a
document that it could not take, and after so many that went well; such a document gets one more chance in a fresh one.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import signal
import sys
import zipfile
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

from artstore_kit.logs import get_logger
from pydantic import TypeAdapter

from render_service.decoders.contract import DecodeFailed, Limits
from render_service.decoders.surroundings import surroundings

_log = get_logger(__name__)

_CLIENT: Final = Path(__file__).with_name("office_client.py")
_SYSTEM_PYTHON: Final = Path("/usr/bin/python3")
"""`uno` is a package of the system's own Python."""
_DOCUMENTS: Final = 200
"""So many by one LibreOffice: it never gives memory back."""
_MEMORY: Final = 1024 * 1024 * 1024
_LONGEST_LIFE: Final = 24 * 3600
"""Seconds of processor time of one LibreOffice; each document is held to its own seconds on the clock."""
_RESTART_WANTED: Final = 81
"""Its exit code after it has made a new profile."""
_MOST_ENTRIES: Final = 20_000
_MOST_UNPACKED: Final = 1024 * 1024 * 1024
_COMPOUND_FILE: Final = bytes.fromhex("d0cf11e0a1b11ae1")
_PROFILE: Final = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry" xmlns:xs="http://www.w3.org/2001/XMLSchema">
{items}
</oor:items>
"""
_SECURITY: Final = "/org.openoffice.Office.Common/Security/Scripting"
_ITEMS: Final = (
    (_SECURITY, "DisableMacrosExecution", "true"),
    (_SECURITY, "MacroSecurityLevel", "3"),
    (_SECURITY, "BlockUntrustedRefererLinks", "true"),
    ("/org.openoffice.Office.Writer/Content/Update", "Link", "0"),
    ("/org.openoffice.Office.Calc/Content/Update", "Link", "1"),
    ("/org.openoffice.Setup/Office", "ooSetupInstCompleted", "true"),
)


class Office:
    """Makes PDFs. `directory` is for its profiles, and is its own; `program`: LibreOffice's own, as `found_program` finds it."""

    def __init__(self, directory: Path, program: Path | None) -> None:
        self._directory, self._program = directory, program
        self._turn = asyncio.Lock()
        self._warm: _Warm | None = None

    async def to_pdf(self, source: Path, target: Path, limits: Limits) -> None:
        """Both paths are absolute. Raises DecodeFailed."""
        if self._program is None:
            raise DecodeFailed("office documents need LibreOffice, which is not installed here", permanent=True)
        await asyncio.to_thread(check_document, source)
        async with self._turn:
            try:
                await self._by_the_warm_one(self._program, source, target, limits)
            except asyncio.CancelledError:
                # It would go on with what nobody waits for any more, and the next document would wait for that.
                await self._ended()
                raise
            except DecodeFailed:
                # What was before it may be to blame: once more, alone.
                await self._ended()
                await self._by_a_fresh_one(self._program, source, target, limits)

    async def aclose(self) -> None:
        async with self._turn:
            await self._ended()

    async def _by_the_warm_one(self, program: Path, source: Path, target: Path, limits: Limits) -> None:
        warm = await self._running(program)
        code = await warm.print(source, target, limits)
        if code != 0:
            _log.info("an office document went wrong", code=code)
            raise _why(code)
        if warm.documents >= _DOCUMENTS:
            await self._ended()

    async def _by_a_fresh_one(self, program: Path, source: Path, target: Path, limits: Limits) -> None:
        fresh = await _Warm.started(program, self._directory)
        try:
            code = await fresh.print(source, target, limits)
        finally:
            await fresh.end()
        if code != 0:
            raise _why(code)

    async def _running(self, program: Path) -> _Warm:
        if self._warm is None or not self._warm.alive:
            await self._ended()
            self._warm = await _Warm.started(program, self._directory)
        return self._warm

    async def _ended(self) -> None:
        warm, self._warm = self._warm, None
        if warm is not None:
            await warm.end()


class _Warm:
    """A LibreOffice that listens on a pipe of its own."""

    def __init__(
        self, process: Process, command: Sequence[str], environment: Mapping[str, str], pipe: str, profile: Path
    ) -> None:
        self._process, self._command, self._environment = process, command, environment
        self._pipe, self._profile = pipe, profile
        self.documents = 0

    @classmethod
    async def started(cls, program: Path, directory: Path) -> _Warm:
        pipe = f"artstore-{uuid4().hex}"
        profile = directory / pipe
        await asyncio.to_thread(_lay_out, profile)
        limits = Limits(memory_bytes=_MEMORY, cpu_seconds=_LONGEST_LIFE)
        command = [
            sys.executable,
            "-m",
            "render_service.decoders.confined",
            TypeAdapter(Limits).dump_json(limits).decode(),
            str(program),
            "--headless",
            "--norestore",
            "--nologo",
            "--nodefault",
            "--nolockcheck",
            f"-env:UserInstallation={profile.as_uri()}",
            f"--accept=pipe,name={pipe};urp;",
        ]
        environment = surroundings(profile, limits)
        return cls(await _group(command, environment), command, environment, pipe, profile)

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    async def print(self, source: Path, target: Path, limits: Limits) -> int | None:
        """The client's exit code; None where it took too long."""
        self.documents += 1
        client = await asyncio.create_subprocess_exec(
            str(_SYSTEM_PYTHON),
            str(_CLIENT),
            self._pipe,
            source.as_uri(),
            target.as_uri(),
            str(limits.pages + 1),  # one more than may be, so that too many is seen
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=DEVNULL,
            env=self._environment,
        )
        restarting = asyncio.create_task(self._restart_if_wanted())
        try:
            async with asyncio.timeout(limits.seconds):
                return await client.wait()
        except TimeoutError:
            return None
        finally:
            restarting.cancel()
            with suppress(ProcessLookupError):
                client.kill()
            await client.wait()

    async def _restart_if_wanted(self) -> None:
        while await self._process.wait() == _RESTART_WANTED:
            self._process = await _group(self._command, self._environment)

    async def end(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        await asyncio.to_thread(self._sweep)

    def _sweep(self) -> None:
        shutil.rmtree(self._profile, ignore_errors=True)
        # Where LibreOffice makes its pipes, whatever TMPDIR says; one that is killed leaves its own: ours, and the one by which
        # a second start finds the first.
        for pipe in (self._pipe, _instance(self._profile)):
            for left in Path("/tmp").glob(f"OSL_PIPE_*_{pipe}"):
                left.unlink(missing_ok=True)


async def _group(command: Sequence[str], environment: Mapping[str, str]) -> Process:
    """Of its own, so that what it starts ends with it."""
    return await asyncio.create_subprocess_exec(
        *command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, env=environment, start_new_session=True
    )


def _instance(profile: Path) -> str:
    """The pipe's name (LibreOffice, desktop/source/app/officeipcthread.cxx)."""
    digest = hashlib.md5(profile.as_uri().encode("utf-16-le"), usedforsecurity=False).digest()
    return "SingleOfficeIPC_" + "".join(f"{byte:x}" for byte in digest)


def found_program() -> Path | None:
    """LibreOffice itself, and not the script that starts it: what is killed must be what works."""
    script = shutil.which("soffice") or shutil.which("libreoffice")
    program = Path(script).resolve().with_name("soffice.bin") if script else None
    return program if program is not None and program.exists() and _SYSTEM_PYTHON.exists() else None


def check_document(source: Path) -> None:
    """What can be said before LibreOffice sees it. Raises DecodeFailed."""
    with source.open("rb") as file:
        if file.read(8) == _COMPOUND_FILE:
            raise DecodeFailed("password-protected document, or one of an old format", permanent=True)
    try:
        with zipfile.ZipFile(source) as package:
            entries = package.infolist()
            if len(entries) > _MOST_ENTRIES or sum(one.file_size for one in entries) > _MOST_UNPACKED:
                raise DecodeFailed(f"unpacks to more than {_MOST_UNPACKED // 2**20} MiB", permanent=True)
            if "META-INF/manifest.xml" in package.namelist() and _is_encrypted(package):
                raise DecodeFailed("password-protected document", permanent=True)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError, ValueError) as error:
        raise DecodeFailed("not an office document, or one that is damaged", permanent=True) from error


def _is_encrypted(package: zipfile.ZipFile) -> bool:
    with package.open("META-INF/manifest.xml") as manifest:
        return b"encryption-data" in manifest.read(1024 * 1024)


def _lay_out(profile: Path) -> None:
    user = profile / "user"
    user.mkdir(parents=True)
    items = "\n".join(
        f'<item oor:path="{path}"><prop oor:name="{name}" oor:op="fuse"><value>{value}</value></prop></item>'
        for path, name, value in _ITEMS
    )
    (user / "registrymodifications.xcu").write_text(_PROFILE.format(items=items))


def _why(code: int | None) -> DecodeFailed:
    match code:
        case None:
            return DecodeFailed("takes too long to be made into a PDF", permanent=True)
        case 2 | 3:
            return DecodeFailed("LibreOffice cannot read it", permanent=True)
        case 4:
            # The machine's fault, not the document's.
            return DecodeFailed("LibreOffice did not start", permanent=False)
        case _:
            return DecodeFailed("LibreOffice broke down on it", permanent=True)
