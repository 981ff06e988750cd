"""pytest fixtures: `postgres`, `database`, `issuer`."""

from __future__ import annotations

import gc
import itertools
import signal
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from artstore_testing.postgres import Database, PostgresServer, running_postgres
from artstore_testing.tokens import TokenIssuer


def pytest_configure() -> None:
    """A shell ignores SIGINT for what it runs in the background, and processes inherit that: those of tests must not."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


_TESTS_BETWEEN_COLLECTIONS = 20
_ended = itertools.count(1)


def pytest_collection_finish() -> None:
    """All that tests are made of stays to the end. Looked through again and again, with what apps leave behind, it would
    hold up the event loop of some test for seconds, as no service's is, and a timeout there would strike."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 1000)


def pytest_runtest_logfinish() -> None:
    if next(_ended) % _TESTS_BETWEEN_COLLECTIONS == 0:
        gc.collect()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL 18 of this test worker's own."""
    # Not pytest's own tmp directory: that one is closed to the user that PostgreSQL runs as under root.
    with TemporaryDirectory(prefix="artstore-pg-") as directory, running_postgres(Path(directory) / "data") as server:
        yield server


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[Database]:
    """An empty database with the extensions that ArtStore needs."""
    with postgres.database() as made:
        yield made


@pytest.fixture(scope="session")
def issuer() -> TokenIssuer:
    """Signs tokens that verifiers with `issuer.keys` (or its `jwks()`) accept."""
    return TokenIssuer()
