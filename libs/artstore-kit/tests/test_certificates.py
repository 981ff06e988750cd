"""A renewed certificate is in use without a restart; one that cannot be used does no harm. On a real process."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPResponse
from pathlib import Path

import pytest
from artstore_kit.certificates import Certificates
from artstore_testing.servers import free_port
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SERVER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from artstore_kit.app import ServiceInfo, create_app
    from artstore_kit.logs import configure_logs
    from artstore_kit.server import serve
    from artstore_kit.settings import ServiceSettings

    configure_logs("kit-service")
    directory = Path(sys.argv[2])
    serve(
        create_app(ServiceInfo("kit-service", "1", "Kit"), routers=[]),
        ServiceSettings(port=int(sys.argv[1]), shutdown_grace_seconds=2),
        ssl_certfile=directory / "tls.crt",
        ssl_keyfile=directory / "tls.key",
        certificate_check_seconds=float(sys.argv[3]),
    )
    """
)


@dataclass(frozen=True)
class Pair:
    certificate: bytes
    key: bytes

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.certificate.decode())).hexdigest()

    def into(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        (directory / "tls.crt").write_bytes(self.certificate)
        (directory / "tls.key").write_bytes(self.key)


def new_pair() -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kit under test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    return Pair(
        made.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


@dataclass
class Server:
    """A process that serves with the pair in `directory`."""

    directory: Path
    port: int
    log: Path
    running: subprocess.Popen[bytes]

    def connect(self, name: str | None = None) -> ssl.SSLSocket:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # what is shown is what is looked at
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        return context.wrap_socket(plain, server_hostname=name)

    def shows(self, name: str | None = None) -> str:
        with self.connect(name) as connection:
            return fingerprint(connection)

    def said(self, words: str) -> int:
        return self.log.read_text().count(words)

    def until(self, true: Callable[[], bool], seconds: float = 15) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert self.running.poll() is None, self.log.read_text()[-4000:]
            assert time.monotonic() < deadline, self.log.read_text()[-4000:]
            time.sleep(0.02)


def fingerprint(connection: ssl.SSLSocket) -> str:
    shown = connection.getpeercert(binary_form=True)
    assert shown is not None
    return hashlib.sha256(shown).hexdigest()


def alive(connection: ssl.SSLSocket) -> bool:
    """Asks something on a connection that is kept open."""
    connection.sendall(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n")
    answer = HTTPResponse(connection)
    answer.begin()
    answer.read()
    return answer.status == 200


class Starter:
    def __init__(self, where: Path) -> None:
        self.where = where
        self.running: list[Server] = []

    def __call__(self, directory: Path, check_seconds: float = 0.05) -> Server:
        port, log = free_port(), self.where / "server.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-c", SERVER, str(port), str(directory), str(check_seconds)],
                env={"PATH": os.environ["PATH"]},
                stdout=out,
                stderr=out,
            )
        server = Server(directory, port, log, process)
        self.running.append(server)
        server.until(lambda: _listens(port))
        return server


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Starter]:
    starter = Starter(tmp_path)
    yield starter
    for server in starter.running:
        server.running.kill()
        server.running.wait()


OLD, NEW = new_pair(), new_pair()
KEPT, TAKEN = "the old one stays", "is in use"


@pytest.mark.parametrize("name", [None, "localhost"])
def test_pair_replaced_in_place_is_in_use_and_open_connections_go_on(
    start: Starter, tmp_path: Path, name: str | None
) -> None:
    OLD.into(tmp_path / "tls")
    server = start(tmp_path / "tls")
    with server.connect(name) as before:
        assert (fingerprint(before), alive(before)) == (OLD.fingerprint, True)
        NEW.into(tmp_path / "tls")
        server.until(lambda: server.shows(name) == NEW.fingerprint)
        assert (fingerprint(before), alive(before)) == (OLD.fingerprint, True)
    assert server.said(TAKEN) == 1
    OLD.into(tmp_path / "tls")  # and back: the second renewal is no different from the first
    server.until(lambda: server.shows(name) == OLD.fingerprint)


def test_directory_swapped_by_symlink_as_cert_manager_does(start: Starter, tmp_path: Path) -> None:
    """Kubernetes mounts a secret as tls.crt -> ..data/tls.crt, ..data -> ..<time>, and renews by renaming ..data."""
    mount = tmp_path / "mount"
    OLD.into(tmp_path / "first")
    NEW.into(tmp_path / "second")
    mount.mkdir()
    (mount / "..data").symlink_to(tmp_path / "first")
    for name in ("tls.crt", "tls.key"):
        (mount / name).symlink_to(Path("..data") / name)
    server = start(mount)
    assert server.shows() == OLD.fingerprint
    (mount / "..new").symlink_to(tmp_path / "second")
    (mount / "..new").rename(mount / "..data")
    server.until(lambda: server.shows() == NEW.fingerprint)


def test_hangup_makes_it_look_at_once(start: Starter, tmp_path: Path) -> None:
    OLD.into(tmp_path / "tls")
    server = start(tmp_path / "tls", check_seconds=3600)
    server.until(lambda: server.shows() == OLD.fingerprint)
    NEW.into(tmp_path / "tls")
    assert server.shows() == OLD.fingerprint
    server.running.send_signal(signal.SIGHUP)
    server.until(lambda: server.shows() == NEW.fingerprint)
    server.running.send_signal(signal.SIGTERM)
    assert server.running.wait(10) == 0


@pytest.mark.parametrize(
    "broken",
    [
        Pair(NEW.certificate, OLD.key),
        Pair(NEW.certificate[: len(NEW.certificate) // 2], NEW.key),
        Pair(NEW.certificate, NEW.key[:40]),
        Pair(b"", b""),
    ],
    ids=["mismatched", "half a certificate", "half a key", "empty"],
)
def test_pair_that_cannot_be_used_is_reported_and_the_old_one_stays(
    start: Starter, tmp_path: Path, broken: Pair
) -> None:
    OLD.into(tmp_path / "tls")
    server = start(tmp_path / "tls")
    broken.into(tmp_path / "tls")
    server.until(lambda: server.said(KEPT) >= 1)
    for _ in range(5):
        assert server.shows() == OLD.fingerprint
    NEW.into(tmp_path / "tls")  # what was being written is whole now
    server.until(lambda: server.shows() == NEW.fingerprint)


def test_pair_that_is_away_for_a_while(start: Starter, tmp_path: Path) -> None:
    OLD.into(tmp_path / "tls")
    server = start(tmp_path / "tls")
    (tmp_path / "tls").rename(tmp_path / "away")
    server.until(lambda: server.said(KEPT) == 1)
    assert server.shows() == OLD.fingerprint
    NEW.into(tmp_path / "tls")
    server.until(lambda: server.shows() == NEW.fingerprint)


def test_renewals_under_load_break_no_connection(start: Starter, tmp_path: Path) -> None:
    OLD.into(tmp_path / "tls")
    server = start(tmp_path / "tls", check_seconds=0.01)
    seen = set()
    for turn in range(40):
        (NEW if turn % 2 == 0 else OLD).into(tmp_path / "tls")
        for _ in range(4):
            with server.connect() as connection:
                seen.add(fingerprint(connection))
                assert alive(connection)
    assert seen == {OLD.fingerprint, NEW.fingerprint}


class Heard:
    """Stands for the log."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def info(self, event: str, **_: object) -> None:
        self.events.append(event)

    error = info


def test_what_is_broken_is_told_once_and_not_at_every_look(tmp_path: Path) -> None:
    OLD.into(tmp_path)
    heard = Heard()
    certificates = Certificates(tmp_path / "tls.crt", tmp_path / "tls.key", heard)

    def load() -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
        return context

    certificates.listen_with(load)
    certificates.refresh()
    assert heard.events == []
    (tmp_path / "tls.crt").write_bytes(NEW.certificate)
    for _ in range(3):
        certificates.refresh()
    assert [KEPT in event for event in heard.events] == [True]
    (tmp_path / "tls.key").write_bytes(NEW.key)
    for _ in range(3):
        certificates.refresh()
    assert [TAKEN in event for event in heard.events] == [False, True]
