"""The servers that are measured: the element as it is shipped, nginx and copyparty as a user would set them up.

All on 127.0.0.1, each with an empty directory of its own, TLS with the same certificate, and its log in a file.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from artstore_core.scopes import Scope, element_audience
from artstore_testing.servers import free_port
from artstore_testing.tokens import TokenIssuer
from artstore_tickets import encode_key
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

START_SECONDS = 120.0
STORAGE_ID = "se-bench-1"
METADATA = {"original_filename": "scan-000001.pdf", "content_type": "application/pdf", "uploaded_by": "sa:sa_bench_1"}


@dataclass(frozen=True)
class Server:
    """How to start one and where its files are. `put` and `get` are paths with %s for a file's id."""

    name: str
    command: list[str]
    port: int
    put: str
    get: str
    log: Path
    headers: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    tls: bool = True
    ready: str = ""

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"


@contextmanager
def running(server: Server, seconds: float = START_SECONDS) -> Iterator[int]:
    """The server's process id, once it is ready. Ends the program when it is not within `seconds`."""
    with server.log.open("ab") as log:
        process = subprocess.Popen(server.command, env={**os.environ, **server.environment}, stdout=log, stderr=log)
    try:
        _wait(server, process, seconds)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(server: Server, process: subprocess.Popen[bytes], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        if _answers(server):
            return
        time.sleep(0.02)
    raise SystemExit(f"{server.name} did not start\n{server.log.read_text()[-2000:]}")


def _answers(server: Server) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", server.port), 1):
            pass
    except OSError:
        return False
    if not server.ready:
        return True
    probe = ["curl", "-sk", "-o", os.devnull, "-w", "%{http_code}", server.url + server.ready]
    return subprocess.run(probe, stdout=subprocess.PIPE, check=False).stdout == b"200"


@dataclass(frozen=True)
class Certificate:
    """For 127.0.0.1, signed by itself. `both` holds key and certificate, as copyparty wants them."""

    certificate: Path
    key: Path
    both: Path


def make_certificate(directory: Path) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a server that is measured")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    made = Certificate(directory / "tls.crt", directory / "tls.key", directory / "tls.pem")
    made.certificate.write_bytes(certificate.public_bytes(pem))
    made.key.write_bytes(secret)
    made.both.write_bytes(secret + certificate.public_bytes(pem))
    return made


class Elements:
    """Makes elements of one installation: one issuer of tokens, whose keys are served over HTTP meanwhile."""

    def __init__(self, certificate: Certificate) -> None:
        self._certificate, self._issuer = certificate, TokenIssuer()
        self._keys = serve_json(self._issuer.jwks())

    def close(self) -> None:
        self._keys.shutdown()

    def make(self, directory: Path, log: Path, storage_id: str = STORAGE_ID, mode: str = "edit") -> Server:
        """An element on `directory`, which becomes its data root unless it is one."""
        environment = {
            "SE_PORT": str(free_port()),
            "SE_STORAGE_ID": storage_id,
            "SE_DATA_DIR": str(directory),
            "SE_TLS_CERT_FILE": str(self._certificate.certificate),
            "SE_TLS_KEY_FILE": str(self._certificate.key),
            "SE_TICKET_KEY": encode_key(bytes(range(32))),
            "SE_ISSUER": self._issuer.issuer,
            "SE_JWKS_URL": f"http://127.0.0.1:{self._keys.server_address[1]}/jwks.json",
        }
        module = [sys.executable, "-m", "storage_element"]
        subprocess.run(
            [*module, "init", "--mode", mode],
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        token = self._issuer.token(tuple(Scope), audience=element_audience(storage_id), lifetime=86400)
        metadata = base64.urlsafe_b64encode(json.dumps(METADATA).encode()).rstrip(b"=").decode()
        return Server(
            name="element",
            command=[*module, "serve"],
            port=int(environment["SE_PORT"]),
            put="/api/v1/files/%s",
            get="/api/v1/files/%s/download",
            log=log,
            headers={"Authorization": f"Bearer {token}", "Artstore-Metadata": metadata},
            environment=environment,
            ready="/health/ready",
        )


def serve_json(content: Any) -> ThreadingHTTPServer:
    body = json.dumps(content).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


_NGINX = """
daemon off; pid {work}/nginx.pid; error_log {work}/nginx-error.log; worker_processes auto; user {user};
events {{ worker_connections 1024; }}
http {{
  access_log {work}/nginx-access.log; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
  client_max_body_size 0; client_body_temp_path {work}/body; default_type application/octet-stream;
  proxy_temp_path {work}/t1; fastcgi_temp_path {work}/t2; uwsgi_temp_path {work}/t3; scgi_temp_path {work}/t4;
  server {{
    listen 127.0.0.1:{port}{ssl}; root {files};
    {tls}
    location / {{ dav_methods PUT; }}
    location /nothing/ {{ return 204; }}
  }}
}}
"""


def nginx(program: str, directory: Path, log: Path, certificate: Certificate | None) -> Server:
    """`dav_methods PUT`: the body goes to a temporary file and is renamed; no fsync. Plain HTTP without certificate."""
    port, work, files = free_port(), directory / "work", directory / "files"
    work.mkdir(parents=True)
    files.mkdir()
    tls = (
        ""
        if certificate is None
        else (
            f"ssl_certificate {certificate.certificate}; ssl_certificate_key {certificate.key}; ssl_protocols TLSv1.2 TLSv1.3;"
        )
    )
    user = "root" if os.geteuid() == 0 else "nobody"
    configuration = work / "nginx.conf"
    configuration.write_text(
        _NGINX.format(work=work, files=files, port=port, ssl=" ssl" if tls else "", tls=tls, user=user)
    )
    command = [program, "-p", str(work), "-e", str(work / "nginx-error.log"), "-c", str(configuration)]
    return Server("nginx" if tls else "nginx-plain", command, port, "/%s", "/%s", log, tls=bool(tls))


def copyparty(python: str, directory: Path, log: Path, certificate: Certificate | None) -> Server:
    """As its defaults are (one process, threads, SHA-512 of what it receives, no fsync), but quiet. Plain HTTP without
    certificate."""
    port, files = free_port(), directory / "files"
    files.mkdir(parents=True)
    command = [python, "-m", "copyparty", "-q", "-i", "127.0.0.1", "-p", str(port), "-v", f"{files}::A"]
    command += ["--https-only", "--cert", str(certificate.both)] if certificate else ["--http-only"]
    environment = {"XDG_CONFIG_HOME": str(directory / "config")}
    (directory / "config").mkdir()
    return Server("copyparty", command, port, "/%s", "/%s", log, environment=environment, tls=certificate is not None)


def find_nginx() -> str | None:
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def find_copyparty(venv: Path) -> str | None:
    """A Python that has copyparty: it gets a virtual environment of its own, so that nothing of ours depends on it."""
    python = installed(venv, "copyparty")
    found = subprocess.run([str(python), "-c", "import copyparty"], stderr=subprocess.DEVNULL, check=False)
    return str(python) if found.returncode == 0 else None


def installed(venv: Path, package: str) -> Path:
    """The Python of a virtual environment with a package of PyPI, if it can be had."""
    python = venv / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", package]
    subprocess.run(install, stdout=subprocess.DEVNULL, check=False)
    return python


def tls_version(server: Server) -> str:
    """Protocol and cipher that a client gets."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", server.port), 5) as plain,
        context.wrap_socket(plain) as wrapped,
    ):
        cipher = wrapped.cipher()
    return " ".join(map(str, cipher[:2])) if cipher else "none"
