"""supervisord: its configuration, starting it, and talking to it (XML-RPC over a Unix socket)."""

from __future__ import annotations

import getpass
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from artstore_stack.errors import StackError
from artstore_stack.files import tail, write_private
from artstore_stack.layout import Layout
from artstore_stack.programs import GRACE_SECONDS, Program

STACK_VARIABLE = "ARTSTORE_STACK_ROOT"
"""In the environment of every process of a stack: which data directory it belongs to."""

_START_SECONDS = 20
_ALREADY = {60, 70}  # supervisor's faults ALREADY_STARTED and NOT_RUNNING


@dataclass(frozen=True, slots=True)
class ProcessState:
    """What supervisord knows of one process. `since`: Unix time of the last change, 0 for never."""

    name: str
    state: str
    pid: int
    since: int

    @property
    def running(self) -> bool:
        return self.state in ("STARTING", "RUNNING")


class Supervisor:
    """The supervisor of one stack; every call raises StackError when it does not run."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def running(self) -> bool:
        try:
            self._call("getState")
        except StackError:
            return False
        return True

    def launch(self, programs: Iterable[Program], environment: Mapping[str, str]) -> None:
        """Start supervisord; as a daemon it has a session of its own, which Ctrl-C in a terminal does not reach."""
        write_private(self._layout.supervisor_ini, render(self._layout, programs))
        output = self._layout.logs / "supervisord.out"
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._layout.supervisor_ini)]
        with output.open("wb") as file:
            started = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env={**environment, STACK_VARIABLE: str(self._layout.root)},
                timeout=_START_SECONDS,
                check=False,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self.running():
            if started.returncode != 0 or time.monotonic() > deadline:
                raise StackError("\n  ".join(["supervisord did not start:", *tail(output, 10)]))
            time.sleep(0.05)

    def start(self, name: str) -> None:
        """Ask for a start; nothing happens when it runs already."""
        self._call("startProcess", name, False)

    def stop(self, names: Sequence[str]) -> None:
        """Stop processes side by side and wait until all are gone (killed when their grace is over)."""
        for name in names:
            self._call("stopProcess", name, False)
        deadline = time.monotonic() + GRACE_SECONDS + 15
        while any(self.state(name).state == "STOPPING" for name in names):
            if time.monotonic() > deadline:
                raise StackError(f"{', '.join(names)} did not stop")
            time.sleep(0.05)

    def state(self, name: str) -> ProcessState:
        return _process_state(cast("dict[str, Any]", self._call("getProcessInfo", name)))

    def states(self) -> list[ProcessState]:
        return [_process_state(info) for info in cast("list[dict[str, Any]]", self._call("getAllProcessInfo"))]

    def shut_down(self) -> None:
        """End supervisord, whose processes are stopped already, and wait until it is gone."""
        self._call("shutdown")
        deadline = time.monotonic() + GRACE_SECONDS + 15
        while self.running():
            if time.monotonic() > deadline:
                raise StackError("supervisord did not end")
            time.sleep(0.05)

    def _call(self, method: str, *arguments: object) -> object:
        transport = SupervisorTransport(serverurl=f"unix://{self._layout.supervisor_socket}")
        try:
            proxy = ServerProxy("http://localhost", transport=transport)
            plain = [str(value) if isinstance(value, str) else value for value in arguments]  # no enums in XML-RPC
            return getattr(proxy.supervisor, method)(*plain)
        except Fault as fault:
            if fault.faultCode in _ALREADY:
                return None
            raise StackError(f"supervisord: {fault.faultString}") from None
        except OSError as error:
            raise StackError("the stack is not running; `make up` starts it") from error
        finally:
            transport.close()


def _process_state(info: dict[str, Any]) -> ProcessState:
    since = info["start"] if info["statename"] in ("STARTING", "RUNNING") else info["stop"]
    return ProcessState(str(info["name"]), str(info["statename"]), int(info["pid"]), int(since))


def render(layout: Layout, programs: Iterable[Program]) -> str:
    """supervisord's ini file. It holds no secret: services get the names of files."""
    head: dict[str, dict[str, object]] = {
        "unix_http_server": {"file": layout.supervisor_socket, "chmod": "0600"},
        "supervisord": {
            "umask": "077",
            "pidfile": layout.run / "supervisord.pid",
            "logfile": layout.supervisor_log,
            "logfile_maxbytes": "2MB",
            "logfile_backups": "1",
            "childlogdir": layout.logs,
            # Said aloud, or supervisord warns at every start under root.
            **({"user": getpass.getuser()} if os.geteuid() == 0 else {}),
        },
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
    }
    sections = {**head, **{f"program:{program.part}": _program(program) for program in programs}}
    return "\n".join(_section(name, values) for name, values in sections.items())


def _program(program: Program) -> dict[str, object]:
    return {
        "command": shlex.join(program.command),
        "directory": program.directory,
        "environment": ",".join(f'{name}="{value}"' for name, value in program.environment.items()),
        "autostart": "false",  # the stack starts them in order
        "autorestart": "true",
        "startsecs": "3",
        "startretries": "5",  # a second apart, then two, …: after that it stays down, and `make up` says so
        "stopsignal": program.stop_signal,
        "stopwaitsecs": GRACE_SECONDS + 10,
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": program.log,
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": "2",
        **({"user": program.user} if program.user else {}),
    }


def _section(name: str, values: Mapping[str, object]) -> str:
    lines = [f"{key} = {str(value).replace('%', '%%')}" for key, value in values.items()]
    return "\n".join([f"[{name}]", *lines, ""])
