"""The steps between an empty directory and services that can start. Each may be repeated without harm."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

from artstore_gateway import GatewaySettings, render
from artstore_gateway.discovery import ElementFiles

from artstore_stack.environment import gateway_settings
from artstore_stack.errors import StackError
from artstore_stack.files import tail
from artstore_stack.layout import Layout
from artstore_stack.parts import ELEMENTS, Part
from artstore_stack.ports import Ports
from artstore_stack.programs import service_command
from artstore_stack.tls import LocalCa

_STEP_SECONDS = 120


class Commands:
    """Runs the services' one-off commands, with their words in `logs/setup.log`."""

    def __init__(
        self, layout: Layout, caller: Mapping[str, str], environment: Mapping[Part, Mapping[str, str]]
    ) -> None:
        self._layout, self._caller, self._environment = layout, caller, environment

    def run(self, part: Part, *words: str) -> None:
        """`python -m <service> <words>`. Raises StackError with the last lines of what it said."""
        log = self._layout.logs / "setup.log"
        with log.open("ab") as output:
            try:
                done = subprocess.run(
                    service_command(part, *words),
                    cwd=self._layout.run,
                    env={**self._caller, **self._environment[part]},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    timeout=_STEP_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise StackError(f"{part} {' '.join(words)} took longer than {_STEP_SECONDS} s: see {log}") from None
        if done.returncode != 0:
            said = "\n  ".join(tail(log, 12))
            raise StackError(f"{part} {' '.join(words)} failed ({done.returncode}); {log} ends with\n  {said}")

    def init_element(self, part: Part) -> None:
        """Mark an element's data directory, only while it is empty.

        A directory that has files but no marker is a disk that is not what it should be: the element says so.
        """
        directory = self._layout.element(part)
        directory.mkdir(mode=0o700, exist_ok=True)
        if not any(directory.iterdir()):
            self.run(part, "init", "--mode", ELEMENTS[part])


def write_gateway(layout: Layout, ports: Ports, ca: LocalCa, caller: Mapping[str, str]) -> None:
    """Envoy's configuration. `GW_…` of the caller count, save for what the stack decides."""
    settings = GatewaySettings.from_environment(caller, **gateway_settings(layout, ports, ca))
    ElementFiles(settings).restore()
    layout.envoy_config.write_text(render(settings))
