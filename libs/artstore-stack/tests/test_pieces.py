"""The small parts of the stack, without a process."""

from __future__ import annotations

import configparser
import json
import shlex
import socket
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from artstore_stack.accounts import write_bootstrap
from artstore_stack.addresses import element_urls
from artstore_stack.environment import without_ours
from artstore_stack.errors import StackError
from artstore_stack.events import EventLog, ProcessEvent, last_end, parse
from artstore_stack.files import write_private
from artstore_stack.layout import Layout
from artstore_stack.parts import Part
from artstore_stack.ports import Ports
from artstore_stack.programs import Program
from artstore_stack.secret_store import SecretStore
from artstore_stack.supervisor import render
from artstore_stack.tls import LocalCa
from cryptography import x509

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def test_a_taken_port_is_named_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(StackError) as error:
            Ports(port - 30).must_be_free()

    assert f"{port} (query)" in str(error.value)
    assert "ARTSTORE_PORT_BASE" in str(error.value)


@pytest.mark.parametrize("base", [0, 80, 65500])
def test_an_impossible_base_is_refused(base: int) -> None:
    with pytest.raises(StackError):
        Ports(base)


def test_ports_are_those_of_the_api() -> None:
    ports = Ports(9000)

    assert [ports.of(part) for part in Part if part is not Part.ROUTES] == [
        9090,
        9000,
        9010,
        9011,
        9020,
        9030,
        9040,
        9041,
        9080,
    ]
    assert (ports.gateway_tls, ports.envoy_control) == (9081, 9091)


def test_secrets_stay_and_are_closed_to_others(tmp_path: Path) -> None:
    store = SecretStore(tmp_path)

    password, key, client = store.password("a"), store.key("b"), store.client_id("operator")

    again = SecretStore(tmp_path)
    assert (again.password("a"), again.key("b"), again.client_id("operator")) == (password, key, client)
    assert client.startswith("sa_operator_")
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_a_private_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    path.chmod(0o644)

    write_private(path, "new")

    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_certificate_is_trusted_by_a_strict_client(tmp_path: Path) -> None:
    ca = LocalCa(tmp_path)
    files = ca.server("se-rw-1")
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(files.certificate, files.key)
    client = ssl.create_default_context(cafile=ca.certificate)
    client.verify_flags |= ssl.VERIFY_X509_STRICT

    for name in ("127.0.0.1", "::1", "localhost", "se-rw-1"):
        assert handshake(server, client, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, client, "elsewhere")


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> bool:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=name)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    done = 0
    for _ in range(10):
        done = 0
        for side in (ours, theirs):
            try:
                side.do_handshake()
                done += 1
            except ssl.SSLWantReadError:
                continue
    return done == 2


def test_a_certificate_is_kept_until_its_last_month(tmp_path: Path) -> None:
    first = LocalCa(tmp_path, NOW).server("gateway").certificate.read_bytes()

    assert LocalCa(tmp_path, NOW + timedelta(days=360)).server("gateway").certificate.read_bytes() == first
    renewed = LocalCa(tmp_path, NOW + timedelta(days=380)).server("gateway").certificate.read_bytes()
    assert x509.load_pem_x509_certificate(renewed).not_valid_after_utc > NOW + timedelta(days=760)


def test_a_new_authority_means_new_certificates(tmp_path: Path) -> None:
    LocalCa(tmp_path, NOW).server("gateway")
    before = (tmp_path / "gateway.crt").read_bytes()
    (tmp_path / "ca.key").unlink()

    LocalCa(tmp_path, NOW).server("gateway")

    assert (tmp_path / "gateway.crt").read_bytes() != before


@pytest.mark.parametrize(
    ("line", "kind", "detail"),
    [
        ("2026-11-21 12:00:00,1 WARN exited: query (terminated by SIGKILL; not expected)", "died", "terminated by SIGKILL"),
        ("2026-11-21 12:00:00,1 WARN exited: query (exit status 3; not expected)", "died", "exit status 3"),
        ("2026-11-21 12:00:00,1 INFO exited: query (exit status 0; expected)", "died", "exit status 0"),
        ("2026-11-21 12:00:00,1 WARN stopped: query (terminated by SIGTERM)", "stopped", "terminated by SIGTERM"),
        ("2026-11-21 12:00:00,1 INFO spawned: 'query' with pid 42", "started", "42"),
        ("2026-11-21 12:00:00,1 INFO gave up: query entered FATAL state, too many start retries too quickly", "gave up", "it ended too quickly, too many times"),
    ],
)  # fmt: skip
def test_events_are_read_from_the_log(line: str, kind: str, detail: str) -> None:
    assert parse(line) == ProcessEvent(kind, "query", detail, "2026-11-21 12:00:00")


def test_the_log_is_followed_over_half_lines_and_rotation(tmp_path: Path) -> None:
    path = tmp_path / "supervisord.log"
    line = "2026-11-21 12:00:00,1 INFO spawned: 'query' with pid 42\n"
    path.write_text(line)
    log = EventLog(path)
    assert log.new() == []

    with path.open("a") as file:
        file.write(line + line[:20])
    assert len(log.new()) == 1
    with path.open("a") as file:
        file.write(line[20:])
    assert len(log.new()) == 1

    path.write_text(line)
    assert len(log.new()) == 1
    assert last_end(path, "query") == ""


def test_the_ini_file_survives_spaces_quotes_and_percent_signs(tmp_path: Path) -> None:
    root = tmp_path / "it's 100% mine"
    layout = Layout(root)
    program = Program(Part.ADMIN, ["python", "-m", "a b"], layout.run, layout.log(Part.ADMIN), {"AM_X": str(root)})

    ini = configparser.RawConfigParser()
    ini.read_string(render(layout, [program]))

    section = {name: value % {} for name, value in ini["program:admin"].items()}  # as supervisord expands it
    assert shlex.split(section["command"]) == program.command
    assert section["directory"] == str(layout.run)
    assert section["environment"] == f'AM_X="{root}"'


def test_a_directory_that_the_supervisor_cannot_quote_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StackError):
        Layout(tmp_path / 'a"b')


def test_a_deep_directory_gets_its_socket_elsewhere(tmp_path: Path) -> None:
    deep = Layout(tmp_path / ("x" * 120))

    assert len(str(deep.supervisor_socket)) < 100
    assert deep.supervisor_socket.name != Layout(tmp_path / ("y" * 120)).supervisor_socket.name
    assert stat.S_IMODE(deep.supervisor_socket.parent.stat().st_mode) == 0o700


def test_only_a_stack_is_thrown_away(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()

    with pytest.raises(StackError):
        Layout(tmp_path).remove()

    assert (tmp_path / "thesis.txt").exists()


def test_the_callers_limits_pass_and_its_secrets_do_not_override_ours() -> None:
    caller = {"IG_MAX_UPLOAD_BYTES": "9", "IG_CLIENT_SECRET": "x", "IG_PORT": "1", "PATH": "/bin"}

    kept = without_ours(caller, {"IG_CLIENT_SECRET_FILE": "f", "IG_PORT": "8020"})

    assert kept == {"IG_MAX_UPLOAD_BYTES": "9", "PATH": "/bin"}


def test_the_bootstrap_file_holds_the_first_accounts(tmp_path: Path) -> None:
    write_bootstrap(tmp_path / "b.json", SecretStore(tmp_path), element_urls(Ports(9000)))

    content = json.loads((tmp_path / "b.json").read_text())
    assert content["admin"]["username"] == "admin"
    names = [account["name"] for account in content["service_accounts"]]
    assert names == ["operator", "client", "service", "ingester", "query", "render", "routes"]
    assert content["storage_elements"] == [
        {"storage_id": "se-edit-1", "url": "https://127.0.0.1:9010"},
        {"storage_id": "se-rw-1", "url": "https://127.0.0.1:9011"},
    ]
