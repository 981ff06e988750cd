"""A whole ArtStore on this machine, by name of its data directory."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from artstore_stack import leftovers
from artstore_stack.accounts import write_bootstrap, write_credentials
from artstore_stack.addresses import addresses, element_urls
from artstore_stack.database import OWNER, Database
from artstore_stack.drain import drain
from artstore_stack.environment import DEFAULTS, Environments, without_ours
from artstore_stack.errors import StackError
from artstore_stack.events import last_end
from artstore_stack.files import tail
from artstore_stack.health import HealthChecks, PartHealth
from artstore_stack.layout import Layout
from artstore_stack.parts import ELEMENTS, Part
from artstore_stack.ports import DEFAULT_BASE, Ports
from artstore_stack.postgres import SUPERUSER, Postgres
from artstore_stack.programs import GRACE_SECONDS, programs
from artstore_stack.secret_store import SecretStore
from artstore_stack.setup import Commands, write_gateway
from artstore_stack.status import PartStatus
from artstore_stack.supervisor import Supervisor
from artstore_stack.tls import LocalCa

READY_SECONDS = 60.0
_STOP_ORDER = (
    (Part.ENVOY, Part.ROUTES),
    (Part.INGESTER, Part.QUERY, Part.RENDER, Part.RENDER_WORKER),
    (Part.ADMIN, *ELEMENTS),
    (Part.POSTGRES,),
)


def _quiet(_: str) -> None:
    return


class Stack:
    """PostgreSQL, the services, two storage elements and Envoy in `data_dir`.

    `env` is the environment of the caller (default: this process's): `AM_… SE_… IG_… QM_… RS_… GW_… OTEL_…` in it
    reach the services. `say` hears one line a step. All methods block; they raise StackError.
    """

    def __init__(
        self,
        data_dir: Path | str = ".artstore",
        port_base: int = DEFAULT_BASE,
        env: Mapping[str, str] | None = None,
        say: Callable[[str], None] = _quiet,
    ) -> None:
        self.data_dir = Path(data_dir)
        self.layout = Layout(self.data_dir.absolute())
        self.ports = Ports(port_base)
        self.supervisor = Supervisor(self.layout)
        self.env = dict(os.environ if env is None else env)
        self._say = say
        self._secrets = SecretStore(self.layout.secrets)
        self._ca = LocalCa(self.layout.tls)
        self._postgres = Postgres(self.layout.postgres, self.ports.of(Part.POSTGRES))
        self._database = Database(self._postgres, self._secrets)
        self._health = HealthChecks(self.ports, self._postgres, self._ca.certificate, self.layout.gateway_routes_known)

    @property
    def running(self) -> bool:
        """Whether it was started whole. A start that was killed half-way does not count: Envoy comes last."""
        return self.supervisor.running() and self.supervisor.state(Part.ENVOY).since > 0

    @property
    def credentials(self) -> dict[str, Any]:
        """`credentials.json` as a dictionary."""
        try:
            content: dict[str, Any] = json.loads(self.layout.credentials.read_text())
        except FileNotFoundError:
            raise StackError(f"{self.layout.credentials} is not there: `make up` writes it") from None
        return content

    def up(self) -> None:
        """Start everything and return once every part is ready; nothing happens when it runs already."""
        self.layout.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._alone():
            if not self.running:
                self._make_room()
                self._start_all_or_nothing()

    def down(self) -> None:
        """Stop everything, requests in flight first, and keep the data."""
        if not self.layout.root.exists():
            return
        with self._alone():
            if self.supervisor.running():
                self._stop_all()
            leftovers.end(self.layout.root)

    def reset(self) -> None:
        """Stop everything and throw the data away."""
        self.down()
        self.layout.remove()

    def stop(self, part: Part | str) -> None:
        """Take one part away; it stays away until `start`."""
        part = _part(part)
        if part is Part.ENVOY:
            drain(self.ports, GRACE_SECONDS)
        self.supervisor.stop([part])

    def start(self, part: Part | str) -> None:
        """Bring one part back and wait until it is ready."""
        part = _part(part)
        self.supervisor.start(part)
        self._health.wait(part, READY_SECONDS, self._alive)

    def pid(self, part: Part | str) -> int:
        """The process id of a part; 0 while it does not run."""
        return self.supervisor.state(_part(part)).pid

    def status(self) -> list[PartStatus]:
        """Every part: its process, its health, and why it is not well."""
        return [self._status(part) for part in Part]

    def _status(self, part: Part) -> PartStatus:
        process = self.supervisor.state(part)
        if not process.running:
            return PartStatus(part, process, PartHealth("-"), last_end(self.layout.supervisor_log, part))
        health = self._health.of(part)
        return PartStatus(part, process, health, health.reason)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else starts or stops this stack meanwhile."""
        directory = os.open(self.layout.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _lock(directory, self.layout.root)
            yield
        finally:
            os.close(directory)

    def _make_room(self) -> None:
        if self.supervisor.running():
            self._say("stopping an earlier start that was not finished")
            self._stop_all()
        if ended := leftovers.end(self.layout.root):
            self._say(f"ended {ended} processes of an earlier stack that had lost its supervisor")
        self.ports.must_be_free()

    def _start_all_or_nothing(self) -> None:
        try:
            self._start_all()
        except BaseException:
            if self.supervisor.running():
                self._stop_all()
            raise

    def _start_all(self) -> None:
        self.layout.prepare(self.ports.base)
        self._postgres.prepare(self._secrets.password(f"db-{SUPERUSER}"), self._say)
        environments = Environments(self.layout, self.ports, self._secrets, self._ca, self._database)
        ours = {part: environments.of(part) for part in Part}
        caller = without_ours({**DEFAULTS, **self.env}, {name: "" for own in ours.values() for name in own})
        self.supervisor.launch(programs(self.layout, self._postgres, ours), caller)
        self._prepare_database(Commands(self.layout, caller, ours))
        self._start_services(Commands(self.layout, caller, ours))

    def _prepare_database(self, commands: Commands) -> None:
        self._say("starting PostgreSQL")
        self.start(Part.POSTGRES)
        self._database.create()
        self._say("migrating the database")
        commands.run(Part.ADMIN, "migrate")
        commands.run(Part.QUERY, "migrate")
        commands.run(Part.RENDER, "migrate")
        self._database.let_services_in()
        write_bootstrap(self._secrets.path("bootstrap.json"), self._secrets, element_urls(self.ports))
        commands.run(Part.ADMIN, "bootstrap")

    def _start_services(self, commands: Commands) -> None:
        for element in ELEMENTS:
            commands.init_element(element)
        write_gateway(self.layout, self.ports, self._ca, self.env)
        known = addresses(self.ports, self.data_dir, self._database.url(OWNER))
        write_credentials(self.layout.credentials, self._secrets, known)
        self._say("starting the services")
        services = [part for part in Part if part not in (Part.POSTGRES, Part.ENVOY)]
        for part in services:
            self.supervisor.start(part)
        for part in services:
            self._wait(part)
        self._say("starting Envoy")
        self.supervisor.start(Part.ENVOY)
        self._wait(Part.ENVOY)

    def _wait(self, part: Part) -> None:
        try:
            self._health.wait(part, READY_SECONDS, self._alive)
        except StackError as error:
            log = self.layout.log(part)
            raise StackError("\n  ".join([f"{error}; {log} ends with", *tail(log, 12)])) from None

    def _alive(self, part: Part) -> bool:
        """Whether the supervisor still tries: FATAL means that it gave up."""
        return self.supervisor.state(part).state not in ("FATAL", "STOPPED", "EXITED")

    def _stop_all(self) -> None:
        drain(self.ports, GRACE_SECONDS)
        for group in _STOP_ORDER:
            self.supervisor.stop(group)
        self.supervisor.shut_down()
        leftovers.wait_until_gone(self.layout.root, GRACE_SECONDS)


def _lock(descriptor: int, root: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StackError(f"another command is starting or stopping {root}") from None


def _part(name: Part | str) -> Part:
    try:
        return Part(name)
    except ValueError:
        raise StackError(f"there is no part {name!r}; parts: {', '.join(Part)}") from None
