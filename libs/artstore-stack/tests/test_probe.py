"""The health check of the images asks the service of its own container, by TLS or without."""

from __future__ import annotations

import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from artstore_kit.probe import ready
from artstore_stack.tls import LocalCa
from artstore_testing.servers import free_port


class _Service(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/health/ready" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


class _Failing(_Service):
    status = 503


@pytest.fixture(params=[_Service, _Failing], ids=["ready", "not ready"])
def server(request: pytest.FixtureRequest) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), request.param)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_says_what_the_service_says(server: ThreadingHTTPServer) -> None:
    environ = {"AM_PORT": str(server.server_address[1])}
    assert ready("AM", environ) is (server.RequestHandlerClass is _Service)


def test_by_tls_where_the_service_speaks_it(server: ThreadingHTTPServer, tmp_path: Path) -> None:
    files = LocalCa(tmp_path).server("se-1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)

    environ = {"SE_PORT": str(server.server_address[1]), "SE_TLS_CERT_FILE": str(files.certificate)}

    assert ready("SE", environ) is (server.RequestHandlerClass is _Service)


def test_nobody_there_is_exit_code_1() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "artstore_kit.probe", "AM"], env={"AM_PORT": str(free_port())}, check=False
    )
    assert done.returncode == 1
