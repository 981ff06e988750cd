"""Whole stacks: real PostgreSQL, real Envoy, real supervisord; the services are stand-ins."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from artstore_stack import Stack, StackError, leftovers
from artstore_stack.parts import Part
from artstore_stack.watch import Watcher

pytestmark = pytest.mark.integration


def eventually(condition: Callable[[], bool], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.05)


def test_everything_is_up(stack: Stack) -> None:
    assert stack.running
    assert {status.part for status in stack.status() if status.ok} == set(Part)
    assert httpx.get(f"{stack.credentials['gateway']}/nowhere").json()["error"]["code"] == "NOT_FOUND"


def test_credentials_have_the_form_of_the_api(stack: Stack) -> None:
    content, base = stack.credentials, stack.ports.base

    assert list(content) == [
        "gateway", "gateway_tls", "console", "admin", "service_accounts", "services", "storage_elements", "ca",
        "database_url", "data_dir",
    ]  # fmt: skip
    assert content["gateway_tls"] == f"https://127.0.0.1:{base + 81}"
    assert list(content["services"]) == ["admin", "ingester", "query", "render"]
    assert content["service_accounts"]["service"]["kind"] == "service"
    assert "kind" not in content["service_accounts"]["client"]
    assert stat.S_IMODE(stack.layout.credentials.stat().st_mode) == 0o600


def test_the_gateway_speaks_tls_with_our_authority(stack: Stack) -> None:
    import ssl

    trust = ssl.create_default_context(cafile=stack.credentials["ca"])
    response = httpx.get(f"{stack.credentials['gateway_tls']}/.well-known/jwks.json", verify=trust)

    assert response.status_code == 200


def test_no_secret_is_on_a_command_line_or_in_the_supervisors_file(stack: Stack) -> None:
    shown = stack.layout.supervisor_ini.read_text()
    for pid in leftovers.find(stack.layout.root):
        shown += (Path("/proc") / str(pid) / "cmdline").read_text()
        shown += (Path("/proc") / str(pid) / "environ").read_text()

    secrets = [path.read_text().strip() for path in stack.layout.secrets.iterdir() if "client-id" not in path.name]
    assert [secret for secret in secrets if secret in shown] == []


def test_a_second_start_changes_nothing(stack: Stack) -> None:
    before = {part: stack.pid(part) for part in Part}

    stack.up()

    assert {part: stack.pid(part) for part in Part} == before


def test_a_part_that_dies_is_named_and_comes_back(stack: Stack) -> None:
    said: list[str] = []
    watcher = Watcher(stack.layout, stack.supervisor, said.append)
    old = stack.pid("query")

    os.kill(old, signal.SIGKILL)

    eventually(lambda: stack.pid("query") not in (0, old), "query to be started again")
    watcher.report()
    assert "query died (terminated by SIGKILL) and is being started again" in said[0]
    assert "Without it: no search and no downloads; uploads go on." in said[0]
    assert any("query runs again" in line for line in said)
    stack.start("query")  # returns when it is ready


@pytest.mark.parametrize("part", ["postgres", "se-rw-1", "envoy"])
def test_one_part_can_be_taken_away_and_brought_back(stack: Stack, part: str) -> None:
    stack.stop(part)
    away = {status.part.value: status for status in stack.status()}
    assert [name for name, status in away.items() if not status.ok] == [part]
    assert away[part].reason.startswith("stopped ")
    assert stack.pid(part) == 0

    stack.start(part)

    assert all(status.ok for status in stack.status())


def test_stopping_envoy_lets_a_request_in_flight_finish(stack: Stack) -> None:
    url = f"{stack.credentials['gateway']}/api/v1/links/download"
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(httpx.get, url, timeout=30)
        eventually(lambda: requests_in_flight(stack) == 1, "the request to be under way")
        stack.stop("envoy")

        assert answer.result().status_code == 200
    stack.start("envoy")


def requests_in_flight(stack: Stack) -> int:
    stats = f"http://127.0.0.1:{stack.ports.envoy_control}/stats"
    text = httpx.get(stats, params={"filter": "http.gateway.downstream_rq_active"}).text
    return int(text.partition(":")[2])


def test_an_unknown_part_is_refused_with_the_names(stack: Stack) -> None:
    with pytest.raises(StackError, match=r"postgres, admin"):
        stack.stop("everything")


def test_everything_survives_down_and_up(make_stack: Callable[[str], Stack]) -> None:
    stack = make_stack("survivor")
    stack.up()
    before, ca = stack.credentials, Path(stack.credentials["ca"]).read_bytes()
    query(stack, "CREATE TABLE kept AS SELECT 1 AS x")

    stack.down()
    assert leftovers.find(stack.layout.root) == []
    assert not stack.running
    stack.up()

    assert stack.credentials == before
    assert Path(stack.credentials["ca"]).read_bytes() == ca
    query(stack, "SELECT x FROM kept")
    notes = Path(stack.env["STANDIN_NOTES"]).read_text().splitlines()
    assert notes.count("storage_element init --mode rw") == 1
    stack.down()


def query(stack: Stack, sql: str) -> None:
    from artstore_stack.postgres import program

    subprocess.run([program("psql"), stack.credentials["database_url"], "-c", sql], check=True, capture_output=True)


def test_two_stacks_stand_side_by_side(stack: Stack, make_stack: Callable[[str], Stack]) -> None:
    second = make_stack("second")

    second.up()

    assert all(status.ok for status in (*stack.status(), *second.status()))
    assert second.credentials["admin"] != stack.credentials["admin"]
    second.down()
    assert all(status.ok for status in stack.status())


def test_a_taken_port_stops_the_start_before_anything_runs(make_stack: Callable[[str], Stack]) -> None:
    stack = make_stack("blocked")
    with (
        socket.create_server(("127.0.0.1", stack.ports.of(Part.RENDER))),
        pytest.raises(StackError, match=r"\(render\) is taken .*ARTSTORE_PORT_BASE"),
    ):
        stack.up()

    assert not stack.running
    assert leftovers.find(stack.layout.root) == []


def test_a_service_that_cannot_start_leaves_nothing_running(make_stack: Callable[[str], Stack]) -> None:
    broken = make_stack("broken")
    directory = Path(broken.env["PYTHONPATH"]).with_name("broken")
    (directory / "admin_service").mkdir(parents=True)
    (directory / "admin_service" / "__init__.py").touch()
    (directory / "admin_service" / "__main__.py").write_text("raise SystemExit('no such migration')\n")
    env = {**broken.env, "PYTHONPATH": f"{directory}:{broken.env['PYTHONPATH']}"}

    with pytest.raises(StackError, match=r"admin migrate failed \(1\).*\n.*no such migration"):
        Stack(broken.data_dir, broken.ports.base, env).up()

    assert leftovers.find(broken.layout.root) == []


def test_a_killed_supervisor_is_told_and_leaves_nothing_that_blocks_the_next_start(
    make_stack: Callable[[str], Stack],
) -> None:
    stack = make_stack("orphaned")
    with foreground(stack) as process:
        until(process, "Ctrl-C stops it")
        os.kill(int((stack.layout.run / "supervisord.pid").read_text()), signal.SIGKILL)
        _, errors = rest_of(process)
    assert process.returncode == 1
    assert "`make down` stops it" in errors
    assert not stack.running
    assert leftovers.find(stack.layout.root)

    stack.up()

    assert all(status.ok for status in stack.status())
    stack.down()


def test_reset_throws_everything_away(make_stack: Callable[[str], Stack]) -> None:
    stack = make_stack("gone")
    stack.up()

    stack.reset()

    assert not stack.layout.root.exists()
    stack.reset()


def run(stack: Stack, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**stack.env, "ARTSTORE_DATA_DIR": str(stack.data_dir)}
    command = [sys.executable, "-m", "artstore_stack", *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_finds_a_running_stack_and_tells_its_state(stack: Stack) -> None:
    again, status, wrong = run(stack, "up"), run(stack, "status"), run(stack, "stop", "x")

    assert (again.returncode, status.returncode, wrong.returncode) == (0, 0, 2)
    assert again.stdout.startswith("ArtStore runs already.")
    assert [line.split()[0] for line in status.stdout.splitlines()] == ["part", *(part.value for part in Part)]


def test_what_the_machine_refuses_is_one_line(tmp_path: Path) -> None:
    """Not a traceback: a full disk, or a directory that cannot be made."""
    (tmp_path / "file").touch()
    done = run(Stack(tmp_path / "file" / "data"), "up")

    assert (done.returncode, done.stderr) == (1, f"{tmp_path}/file/data/stack.json: Not a directory\n")


def foreground(stack: Stack, *options: str) -> subprocess.Popen[str]:
    env = {**stack.env, "ARTSTORE_DATA_DIR": str(stack.data_dir), "ARTSTORE_PORT_BASE": str(stack.ports.base)}
    command = [sys.executable, "-m", "artstore_stack", "up", *options]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(process: subprocess.Popen[str], words: str) -> None:
    """Reads until a line begins so."""
    assert process.stdout is not None
    assert any(line.startswith(words) for line in iter(process.stdout.readline, ""))


def rest_of(process: subprocess.Popen[str]) -> tuple[str, str]:
    assert process.stdout is not None
    assert process.stderr is not None
    return process.stdout.read(), process.stderr.read()


def test_a_start_that_is_interrupted_is_none(make_stack: Callable[[str], Stack]) -> None:
    stack = make_stack("interrupted")
    with foreground(stack, "--detach") as process:
        until(process, "starting PostgreSQL")
        process.send_signal(signal.SIGINT)
        rest, _ = rest_of(process)

    assert process.returncode == 130
    assert "the data stays in" in rest
    assert leftovers.find(stack.layout.root) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_foreground_stops_everything_on_ctrl_c(make_stack: Callable[[str], Stack], how: signal.Signals) -> None:
    stack = make_stack(f"foreground-{how.name}")
    with foreground(stack) as process:
        until(process, "Ctrl-C stops it")
        process.send_signal(how)
        rest, _ = rest_of(process)

    assert process.returncode == 0
    assert "the data stays in" in rest
    assert leftovers.find(stack.layout.root) == []
    assert json.loads(stack.layout.credentials.read_text()) == stack.credentials
