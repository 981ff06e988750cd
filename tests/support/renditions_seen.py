"""Renditions as a client has them: waits until they are ready, asks for the list."""

from __future__ import annotations

import time
from typing import Any

import httpx
from world import World

_ENDS = ("ready", "failed", "gone")


def await_previews(world: World, file_id: str, seconds: float) -> None:
    """Follows the conversion's events through the gateway. Fails the test unless it ends well in that time."""
    deadline = time.monotonic() + seconds
    while True:
        end = _end_of(world, file_id, deadline)
        if end is not None:
            assert end == "ready", f"the conversion ended as {end}"
            return
        assert time.monotonic() < deadline, f"not ready within {seconds:g} s"


def _end_of(world: World, file_id: str, deadline: float) -> str | None:
    """How it ended; None when the stream did before."""
    url = f"{world.gateway}/api/v1/renditions/{file_id}/events"
    with world.http.stream("GET", url, headers=world.bearer()) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        try:
            for line in answer.iter_lines():
                field, _, value = line.partition(": ")
                if field == "event" and value in _ENDS:
                    return value
                assert time.monotonic() < deadline, "the conversion does not end"
        except httpx.RemoteProtocolError:
            return None  # the service was stopped: EventSource would come back
    return None


def renditions(world: World, file_id: str, bearer: dict[str, str] | None = None) -> list[dict[str, Any]]:
    answer = world.http.get(f"{world.gateway}/api/v1/renditions/{file_id}", headers=bearer or world.bearer())
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def tiles(world: World, file_id: str, bearer: dict[str, str] | None = None) -> dict[str, Any]:
    """The one entry of kind `tile`."""
    (found,) = [one for one in renditions(world, file_id, bearer) if one["kind"] == "tile"]
    return found
