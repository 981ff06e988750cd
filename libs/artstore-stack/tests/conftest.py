from __future__ import annotations

import contextlib
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from artstore_stack import Stack
from artstore_stack.errors import StackError
from artstore_stack.ports import Ports

_PACKAGES = {
    "admin_service": "AM",
    "storage_element": "SE",
    "ingester_service": "IG",
    "query_service": "QM",
    "render_service": "RS",
}


@pytest.fixture(scope="session")
def standins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for PYTHONPATH whose packages stand in for the services."""
    directory: Path = tmp_path_factory.mktemp("standins")
    shutil.copy(Path(__file__).with_name("standin.py"), directory)
    for package, prefix in _PACKAGES.items():
        (directory / package).mkdir()
        (directory / package / "__init__.py").touch()
        text = f"from standin import main\n\nmain({package!r}, {prefix!r})\n"
        (directory / package / "__main__.py").write_text(text)
    return directory


@pytest.fixture(scope="session")
def make_stack(standins: Path) -> Iterator[Callable[[str], Stack]]:
    """Stacks of stand-ins on free ports, each in a directory of the given name; all gone in the end."""
    made: list[Stack] = []
    # Not pytest's own directory: that one is closed to the user that PostgreSQL runs as under root.
    with tempfile.TemporaryDirectory(prefix="artstore-stack-") as parent:

        def make(name: str) -> Stack:
            root = Path(parent) / name
            notes = Path(parent) / f"{name}.notes"
            env = {**os.environ, "PYTHONPATH": str(standins), "STANDIN_NOTES": str(notes)}
            stack = Stack(root, free_port_base(), env)
            made.append(stack)
            return stack

        yield make
        for stack in made:
            stack.reset()


@pytest.fixture(scope="session")
def stack(make_stack: Callable[[str], Stack]) -> Stack:
    """A stack that runs; tests leave it running."""
    made = make_stack("first")
    made.up()
    return made


def free_port_base() -> int:
    """A base whose ports are all free, below those that the kernel hands out; each test worker has its own range."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 12000 + 2000 * (worker % 8)
    bases = list(range(first, first + 2000, 100))
    random.shuffle(bases)
    for base in bases:
        with contextlib.suppress(StackError):
            Ports(base).must_be_free()
            return base
    raise RuntimeError("no free ports")
