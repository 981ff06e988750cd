"""SIGKILL at the worst moments: what was acknowledged is there, what was not is invisible and leaves nothing."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

MIB = 1024 * 1024
METADATA = {"original_filename": "a.bin", "content_type": "application/octet-stream", "uploaded_by": "sa:x"}

pytestmark = pytest.mark.integration


def listed(client: httpx.Client) -> set[str]:
    answer = client.get("/api/v1/files", params={"limit": 1000})
    assert answer.status_code == 200
    return {file["file_id"] for file in answer.json()["items"]}


def wait_until(true: Any, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)


def test_acknowledged_file_survives_kill_right_after_201(process: Any) -> None:
    process.start()
    files: dict[UUID, bytes] = {}
    for size in (0, 10, 3 * MIB):
        file_id, data = uuid4(), os.urandom(size)
        with process.client() as client:
            assert client.put(f"/api/v1/files/{file_id}", content=data, headers=process.metadata).status_code == 201
        process.kill()
        files[file_id] = data
        process.start()
    with process.client() as client:
        assert listed(client) == {str(file_id) for file_id in files}
        for file_id, data in files.items():
            assert client.get(f"/api/v1/files/{file_id}/download").content == data


def test_upload_under_way_at_kill_is_invisible_and_cleared(process: Any) -> None:
    process.start()
    file_id, staging = uuid4(), process.root / "staging"
    hold = threading.Event()

    def body() -> Iterator[bytes]:
        for _ in range(4):
            yield bytes(MIB)
        hold.wait(20)
        yield bytes(MIB)

    def upload() -> None:
        with process.client() as client, pytest.raises(httpx.TransportError):
            client.put(f"/api/v1/files/{file_id}", content=body(), headers=process.metadata)

    thread = threading.Thread(target=upload)
    thread.start()
    wait_until(lambda: any(path.stat().st_size >= 3 * MIB for path in staging.iterdir()))
    process.kill()
    hold.set()
    thread.join()
    assert list(staging.iterdir())
    process.start()
    assert not list(staging.iterdir())
    with process.client() as client:
        assert client.get(f"/api/v1/files/{file_id}").status_code == 404
        assert listed(client) == set()
        assert client.put(f"/api/v1/files/{file_id}", content=b"again", headers=process.metadata).status_code == 201


def test_resumable_upload_goes_on_after_kill(process: Any) -> None:
    process.start()
    upload_id, data = uuid4(), os.urandom(3 * MIB)
    path = f"/api/v1/uploads/{upload_id}"
    with process.client() as client:
        assert client.post(path, json={"size": len(data)}).status_code == 201
        assert client.patch(path, content=data[:MIB], headers={"Upload-Offset": "0"}).status_code == 204
    process.kill()
    process.start()
    with process.client() as client:
        offset = int(client.head(path).headers["upload-offset"])
        assert offset == MIB
        assert client.patch(path, content=data[offset:], headers={"Upload-Offset": str(offset)}).status_code == 204
        done = client.post(f"{path}/complete", json={"metadata": METADATA, "sha256": sha256(data).hexdigest()})
        assert done.status_code == 201
    process.kill()
    process.start()
    with process.client() as client:
        assert client.get(f"/api/v1/files/{upload_id}/download").content == data


def test_kill_at_any_moment_under_load_loses_nothing_acknowledged(process: Any) -> None:
    """Writers at full speed, killed five times: whole or not at all, and acknowledged means there."""
    acknowledged: dict[str, str] = {}
    attempted: dict[str, str] = {}

    def write(number: int, stop: threading.Event, connected: threading.Barrier) -> None:
        with process.client() as client:
            client.get("/api/v1/info")
            connected.wait(10)  # a TLS handshake that is cut off is not what is looked at here
            while not stop.is_set():
                file_id, data = str(uuid4()), os.urandom(50_000 * (number + 1))  # in the log, and beside it
                attempted[file_id] = sha256(data).hexdigest()
                try:
                    answer = client.put(f"/api/v1/files/{file_id}", content=data, headers=process.metadata)
                except httpx.TransportError:
                    return
                if answer.status_code == 201:
                    acknowledged[file_id] = attempted[file_id]

    for moment in (0.15, 0.23, 0.31, 0.37, 0.41):
        process.start()
        stop, connected = threading.Event(), threading.Barrier(3)
        writers = [threading.Thread(target=write, args=(number, stop, connected)) for number in range(3)]
        before = len(acknowledged)
        for writer in writers:
            writer.start()
        wait_until(lambda before=before: len(acknowledged) > before)
        time.sleep(moment)  # the moment is the test's subject, not a wait for something
        process.kill()
        stop.set()
        for writer in writers:
            writer.join()
    process.start()
    with process.client() as client:
        present = listed(client)
        assert set(acknowledged) <= present <= set(attempted)
        for file_id in present:
            content = client.get(f"/api/v1/files/{file_id}/download").content
            assert sha256(content).hexdigest() == attempted[file_id]
    assert not list((process.root / "staging").iterdir())
