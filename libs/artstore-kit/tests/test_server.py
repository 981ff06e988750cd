"""What a process takes for itself before it serves, and how it stops."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection

import pytest
from artstore_kit.server import raise_descriptor_limit
from artstore_testing.servers import free_port

DRAIN_SECONDS = 1.5
START_SECONDS = 30.0
SERVER = textwrap.dedent(
    """
    import sys
    from artstore_kit.app import ServiceInfo, create_app
    from artstore_kit.logs import configure_logs
    from artstore_kit.server import serve
    from artstore_kit.settings import ServiceSettings

    configure_logs("kit-service")
    serve(
        create_app(ServiceInfo("kit-service", "1", "Kit"), routers=[]),
        ServiceSettings(port=int(sys.argv[1]), drain_seconds=float(sys.argv[2]), shutdown_grace_seconds=2),
    )
    """
)


def test_process_may_have_as_many_descriptors_as_it_is_allowed() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(before[0], 512), before[1]))
    try:
        raise_descriptor_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.integration
def test_requests_are_taken_while_others_hear_that_it_stops_and_each_answer_is_the_last_of_its_connection() -> None:
    port = free_port()
    with serving(port) as process, closing(connected(port)) as kept:
        assert asked(kept, "/health/ready") == (200, None)

        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        while (found := asked_anew(port, "/health/ready"))[0] == 200:
            assert time.monotonic() - began < DRAIN_SECONDS
        assert found[0] == 503

        while (found := asked_anew(port, "/health/live"))[1] is None:
            assert time.monotonic() - began < DRAIN_SECONDS
        assert found == (200, "close")
        assert asked(kept, "/health/live") == (200, "close")
        assert process.wait(timeout=10) == 0
        assert time.monotonic() - began >= DRAIN_SECONDS


def connected(port: int) -> HTTPConnection:
    return HTTPConnection("127.0.0.1", port, timeout=10)


def asked_anew(port: int, path: str) -> tuple[int, str | None]:
    with closing(connected(port)) as connection:
        return asked(connection, path)


def asked(connection: HTTPConnection, path: str) -> tuple[int, str | None]:
    """The status, and what the answer says of the connection."""
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.headers["Connection"]


@contextmanager
def serving(port: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", SERVER, str(port), str(DRAIN_SECONDS)], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not answers(port):
            assert process.poll() is None
            assert time.monotonic() < deadline
        yield process
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    try:
        return asked_anew(port, "/health/ready")[0] == 200
    except OSError:
        time.sleep(0.05)
        return False
