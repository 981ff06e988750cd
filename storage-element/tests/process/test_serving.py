"""A real process over TLS: audiences, clients that go away or dawdle, a graceful stop, the commands."""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from artstore_core.scopes import PUBLIC_AUDIENCE, Scope, element_audience

MIB = 1024 * 1024

pytestmark = pytest.mark.integration


def open_data_files(pid: int) -> list[str]:
    found = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(entry.readlink())
        except FileNotFoundError:
            continue
        if target.endswith((".data", ".tmp", ".part", "(deleted)")):
            found.append(target)
    return found


def wait_until(true: Any, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def test_tokens_of_others_are_refused_over_tls(process: Any) -> None:
    process.start()
    with process.client(headers={}) as client:
        assert client.get("/api/v1/info").status_code == 200
        for audience, status in (
            (PUBLIC_AUDIENCE, 401),
            (element_audience("se-test-2"), 401),
            (element_audience("se-test-1"), 200),
        ):
            headers = process.issuer.bearer([Scope.STORAGE_READ], audience=audience)
            assert client.get("/api/v1/files", headers=headers).status_code == status
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{process.port}/api/v1/info", timeout=5)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{process.url}/api/v1/info", verify=ssl.create_default_context(), timeout=5)


def test_uploader_that_goes_away_leaves_nothing(process: Any) -> None:
    process.start()
    with process.client(timeout=2) as client:

        def body() -> Any:
            for _ in range(3):
                yield bytes(MIB)
            raise RuntimeError("gone")

        with pytest.raises(RuntimeError, match="gone"):
            client.put(f"/api/v1/files/{uuid4()}", content=body(), headers=process.metadata)
    wait_until(lambda: not list((process.root / "staging").iterdir()))
    wait_until(lambda: not open_data_files(process.running.pid))
    with process.client() as client:
        wait_until(lambda: client.get("/api/v1/info").json()["used_bytes"] == 0)


def test_uploader_that_falls_silent_is_let_go(process: Any) -> None:
    process.environment["SE_IDLE_SECONDS"] = "0.3"
    process.start()
    stop = threading.Event()

    def body() -> Any:
        yield bytes(MIB)
        stop.wait(10)

    def upload() -> None:
        with process.client() as client, contextlib.suppress(httpx.TransportError):
            client.put(f"/api/v1/files/{uuid4()}", content=body(), headers=process.metadata)

    thread = threading.Thread(target=upload)
    thread.start()
    staging = process.root / "staging"
    wait_until(lambda: list(staging.iterdir()))
    wait_until(lambda: not list(staging.iterdir()))
    stop.set()
    thread.join()


def test_reader_that_goes_away_leaves_no_open_file(process: Any) -> None:
    process.start()
    file_id = uuid4()
    with process.client() as client:
        assert (
            client.put(f"/api/v1/files/{file_id}", content=bytes(64 * MIB), headers=process.metadata).status_code == 201
        )
        for _ in range(5):
            with client.stream("GET", f"/api/v1/files/{file_id}/download") as answer:
                next(answer.iter_raw(65536))
        assert client.get("/api/v1/info").status_code == 200
    wait_until(lambda: not open_data_files(process.running.pid))


def test_slow_reader_gets_its_whole_file_while_the_process_is_told_to_stop(process: Any) -> None:
    process.environment["SE_SHUTDOWN_GRACE_SECONDS"] = "20"
    process.start()
    file_id, data = uuid4(), os.urandom(24 * MIB)
    with process.client() as client:
        client.put(f"/api/v1/files/{file_id}", content=data, headers=process.metadata)
        received = bytearray()
        with client.stream("GET", f"/api/v1/files/{file_id}/download") as answer:
            for piece in answer.iter_raw(MIB):
                if not received:
                    process.running.send_signal(signal.SIGTERM)
                received += piece
                time.sleep(0.02)  # a slow reader is what this is about
        assert bytes(received) == data
    assert process.running.wait(20) == 0


def test_download_under_way_survives_the_loss_of_the_files_name(process: Any) -> None:
    process.start()
    file_id, data = uuid4(), os.urandom(32 * MIB)
    with process.client() as client:
        client.put(f"/api/v1/files/{file_id}", content=data, headers=process.metadata)
        with client.stream("GET", f"/api/v1/files/{file_id}/download") as answer:
            pieces = answer.iter_raw(MIB)
            received = bytearray(next(pieces))
            for path in process.root.rglob(f"{file_id}.*"):
                path.unlink()
            for piece in pieces:
                received += piece
        assert bytes(received) == data


def test_memory_does_not_grow_with_the_file(process: Any) -> None:
    process.environment["SE_MAX_UPLOAD_BYTES"] = str(512 * MIB)
    process.start()

    def peak() -> int:
        status = Path(f"/proc/{process.running.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024

    def body() -> Any:
        piece = bytes(256 * 1024)
        for _ in range(1024):
            yield piece

    file_id = uuid4()
    with process.client() as client:
        client.put(f"/api/v1/files/{uuid4()}", content=bytes(2 * MIB), headers=process.metadata)
        before = peak()
        assert client.put(f"/api/v1/files/{file_id}", content=body(), headers=process.metadata).status_code == 201
        with client.stream("GET", f"/api/v1/files/{file_id}/download") as answer:
            assert sum(len(piece) for piece in answer.iter_raw(MIB)) == 256 * MIB
        assert peak() - before < 24 * MIB


def test_readiness_tells_of_the_disk_and_of_the_keys(process: Any) -> None:
    process.environment["SE_JWKS_URL"] = "http://127.0.0.1:9/jwks.json"
    process.start()  # without keys it is degraded, which is 200
    with process.client() as client:
        ready = client.get("/health/ready").json()
        assert (ready["status"], ready["dependencies"]["signing_keys"]["status"]) == ("degraded", "degraded")
        assert client.get("/api/v1/files").status_code == 503  # no key was ever seen: try again later
    marker = process.root / "artstore-element.json"
    marker.rename(process.root.parent / "away")
    process.wait_for(503)
    (process.root.parent / "away").rename(marker)
    process.wait_for(200)


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "storage_element", *arguments],
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_init_command(tmp_path: Path) -> None:
    ours = {"SE_STORAGE_ID": "se-1", "SE_DATA_DIR": str(tmp_path / "data")}
    assert command("init", "--mode", "ro", **ours).returncode == 0
    again = command("init", "--mode", "edit", **ours)
    assert (again.returncode, again.stdout) == (0, "se-1: was initialised before, mode ro\n")
    assert command("init", **(ours | {"SE_STORAGE_ID": "se-2"})).returncode == 1
    assert command("init").returncode == 2
    bad = command("init", **(ours | {"SE_STORAGE_ID": "../x"}))
    assert (bad.returncode, "SE_STORAGE_ID" in bad.stderr) == (2, True)


def test_serve_names_every_setting_that_is_missing_and_shows_no_secret() -> None:
    missing = command("serve", SE_TICKET_KEY="not-a-key-but-secret")
    assert missing.returncode == 2
    assert {"SE_STORAGE_ID", "SE_DATA_DIR", "SE_TICKET_KEY", "SE_TLS_CERT_FILE"} <= {
        line.split(":")[0] for line in missing.stderr.splitlines()
    }
    assert "not-a-key" not in missing.stderr


def test_commands_beside_and_after_a_running_element(process: Any) -> None:
    process.start()
    file_id = uuid4()
    with process.client() as client:
        assert client.put(f"/api/v1/files/{file_id}", content=b"hello", headers=process.metadata).status_code == 201
    ours = {"SE_STORAGE_ID": "se-test-1", "SE_DATA_DIR": str(process.root)}
    for name in ("checkpoint", "verify", "rebuild-index", "adopt"):
        refused = command(name, **ours)
        assert (refused.returncode, "Another process" in refused.stderr) == (1, True)
    dumped = command("wal", "dump", **ours)
    assert (dumped.returncode, str(file_id) in dumped.stdout) == (0, True)
    assert command("inspect", str(file_id), **ours).returncode == 0
    process.kill()
    assert (process.root / "artstore-element.json").exists()
    assert command("checkpoint", **ours).returncode == 0
    verified = command("verify", "--json", **ours)
    assert (verified.returncode, '"ok": true' in verified.stdout) == (0, True)
    assert command("rebuild-index", **ours).returncode == 0
    assert command("verify").returncode == 2
