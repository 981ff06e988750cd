"""The pods of charts/storage-element really run, with the chart's variables, files, arguments and probes.

As processes here, and with ARTSTORE_CHART_IMAGES=1 (`make chart-pods`) as containers of the real image.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from artstore_stack.tls import LocalCa
from chart_pod import Docker, Node, probe
from chart_renders import Rendered, load_set, render
from storage_element.disk.filesystem import RealFileSystem

pytestmark = pytest.mark.integration

HOST = "se-1.example.com"


def _release(revision: int) -> Rendered:
    values = load_set("storage-element", "gateway")["values"]
    # Nobody is there: the element has to start without.
    changed = {**values, "jwks": {"url": "https://127.0.0.1:9/jwks.json"}, "env": {}}
    return render("storage-element", changed, {"name": "media-1", "revision": revision})


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture
def node_of() -> type[Node]:
    return Docker if os.environ.get("ARTSTORE_CHART_IMAGES") else Node


def test_an_installation_serves_and_a_lost_volume_is_never_taken_for_a_new_one(
    tmp_path: Path, node_of: type[Node]
) -> None:
    ca = LocalCa(tmp_path)
    files = ca.server(HOST)
    tls = {"tls.crt": files.certificate.read_text(), "tls.key": files.key.read_text()}
    (tmp_path / "node").mkdir()
    node = node_of(tmp_path / "node", "storage_element", {"media-1-tls": tls})
    port = _free_port()
    marker = node.volume("data") / "element" / "artstore-element.json"

    release = _release(1)
    job, element = sorted(release.pods(), key=str)
    container = element.spec["containers"][0]
    ready, alive = container["readinessProbe"], container["livenessProbe"]
    with node.started(release, element, port) as process:
        assert probe(alive, port, ca.certificate, 30) == 200, node.log.read_text()
        # Both begin at once; the element waits for the Job, not the other way round.
        assert probe(ready, port, ca.certificate, 1, wanted=503) == 503
        done = node.run(release, job)
        assert done.returncode == 0, done.stderr
        assert marker.exists()
        assert probe(ready, port, ca.certificate, 15) == 200, node.log.read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(element.spec["terminationGracePeriodSeconds"]) == 0

    node.lose("data")
    release = _release(2)
    (element,) = release.pods()
    with node.started(release, element, port):
        assert probe(alive, port, ca.certificate, 30) == 200, node.log.read_text()
        assert probe(ready, port, ca.certificate, 2) == 503
        assert not marker.exists()


def test_work_on_the_volume_waits_until_the_element_has_let_go_of_it(tmp_path: Path) -> None:
    """Helm stops the element and makes the Job at once. A process here: the image has nothing to add to it."""
    values = load_set("storage-element", "maintenance")["values"]
    job = render("storage-element", values, {"name": "se-1", "revision": 3}).one("Job")
    (waiting,) = job["spec"]["template"]["spec"]["initContainers"]
    assert waiting["command"][0] == "python"
    command = [sys.executable, *waiting["command"][1:], *waiting["args"]]
    environment = {**os.environ, "SE_DATA_DIR": str(tmp_path)}
    held = RealFileSystem().lock(tmp_path)
    with subprocess.Popen(command, env=environment) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        os.close(held)
        assert process.wait(30) == 0
    nowhere = {**environment, "SE_DATA_DIR": str(tmp_path / "none")}  # for the command itself to tell
    assert subprocess.run(command, env=nowhere, timeout=30, check=False).returncode == 0
