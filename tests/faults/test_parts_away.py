"""Any one part may be away: what does not need it works on, readiness tells the truth, and it comes back by itself."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from world import World, pdf, within

pytestmark = pytest.mark.e2e
MIB = 1024 * 1024
TRUTH_SECONDS = 5.0
RECOVERY_SECONDS = 20.0
LIST_SECONDS = 10.0


@contextmanager
def away(world: World, part: str) -> Iterator[None]:
    world.stack.stop(part)
    try:
        yield
    finally:
        world.stack.start(part)


def says(world: World, service: str, status: int, state: str) -> Callable[[], bool]:
    def holds() -> bool:
        try:
            answer = world.ready(service)
        except httpx.TransportError:
            return False
        return (answer.status_code, answer.json()["status"]) == (status, state)

    return holds


def truth(world: World, **expected: tuple[int, str]) -> None:
    for service, (status, state) in expected.items():
        name = service.replace("_", "-")
        within(TRUTH_SECONDS, says(world, name, status, state), f"{name} says {state}")


def recovers(world: World) -> None:
    for service in (*world.credentials["services"], *world.credentials["storage_elements"]):
        within(RECOVERY_SECONDS, says(world, service, 200, "ok"), f"{service} is ok again")
    within(RECOVERY_SECONDS, lambda: world.upload(pdf("again")).status_code == 201, "an upload works again")


def test_without_postgresql(world: World) -> None:
    world.bearer()  # a token from before: none can be issued meanwhile
    with away(world, "postgres"):
        truth(world, admin=(503, "fail"), query=(200, "degraded"), render=(503, "fail"), se_rw_1=(200, "ok"))
        answer = world.search(query="x", mode="partial")
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        within(LIST_SECONDS, lambda: world.upload(pdf("nowhere")).status_code == 503, "uploads are refused")
        refused = world.upload(pdf("nowhere"))
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "ADMIN_UNAVAILABLE")
    recovers(world)


def test_without_admin(world: World) -> None:
    content = pdf("needs no admin")
    file = world.uploaded(content, "без админа.pdf")
    with away(world, "admin"):
        truth(world, ingester=(200, "degraded"), query=(200, "degraded"), se_rw_1=(200, "degraded"))
        assert world.download(file["file_id"]).content == content
        assert world.search(query="админа", mode="fulltext").status_code == 200
        # While the list of elements that admin gave last is fresh, a file is taken in, and waits for its registration.
        within(LIST_SECONDS, lambda: world.upload(pdf("nowhere")).status_code == 503, "uploads are refused")
        refused = world.upload(pdf("nowhere"))
        assert refused.json()["error"]["code"] == "ADMIN_UNAVAILABLE"
        assert refused.headers["retry-after"]
    recovers(world)


def test_without_one_element(world: World) -> None:
    kept = world.uploaded(pdf("kept"), "постоянный.pdf")
    passing = world.uploaded(pdf("passing"), "временный.pdf", retention_policy="temporary")
    with away(world, "se-rw-1"):
        truth(world, query=(200, "degraded"), ingester=(200, "degraded"), admin=(200, "ok"))
        unreachable = world.download(kept["file_id"])
        assert (unreachable.status_code, unreachable.json()["error"]["code"]) == (503, "STORAGE_UNAVAILABLE")
        assert world.download(passing["file_id"]).status_code == 200
        assert world.search(query="постоянный", mode="fulltext").json()["total"] >= 1
        assert world.upload(pdf("temporary still works"), retention_policy="temporary").status_code == 201
        refused = world.upload(pdf("nowhere to keep"))
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "NO_STORAGE_AVAILABLE")
    recovers(world)
    assert world.download(kept["file_id"]).status_code == 200


@pytest.mark.parametrize("part", ["query", "ingester", "se-rw-1", "admin"])
def test_killed_part_comes_back(world: World, part: str) -> None:
    content = pdf("killed")
    file = world.uploaded(content)
    os.kill(world.stack.pid(part), signal.SIGKILL)
    within(RECOVERY_SECONDS, lambda: world.download(file["file_id"]).status_code == 200, "a download works again")
    assert world.download(file["file_id"]).content == content
    recovers(world)


def slow_download(world: World, base: str, file_id: str, back: Path) -> subprocess.Popen[bytes]:
    url = f"{base}/api/v1/files/{file_id}/download"
    authorization = f"Authorization: {world.bearer()['Authorization']}"
    reader = subprocess.Popen(["curl", "-sS", "--limit-rate", "8M", "-H", authorization, "-o", str(back), url])
    within(30, lambda: back.exists() and back.stat().st_size > 4 * MIB, "the download is under way")
    return reader


def test_download_goes_on_when_its_element_comes_back(world: World, tmp_path: Path) -> None:
    """From query itself: where the gateway goes to the element, the client is who goes on (tests/range)."""
    content = os.urandom(64 * MIB)
    file = world.uploaded(content, "broken.bin")
    back = tmp_path / "back"
    reader = slow_download(world, world.credentials["services"]["query"], file["file_id"], back)
    os.kill(world.stack.pid("se-rw-1"), signal.SIGKILL)
    assert reader.wait(60) == 0
    assert back.read_bytes() == content
    recovers(world)


def test_download_whose_element_stays_away_is_never_taken_for_whole(world: World, tmp_path: Path) -> None:
    file = world.uploaded(os.urandom(64 * MIB), "broken.bin")
    back = tmp_path / "back"
    reader = slow_download(world, world.gateway, file["file_id"], back)
    os.kill(world.stack.pid("se-rw-1"), signal.SIGKILL)
    with away(world, "se-rw-1"):
        assert reader.wait(120) != 0
    assert back.stat().st_size < 64 * MIB
    recovers(world)
