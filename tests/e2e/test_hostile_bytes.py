"""Hostile uploads through the gateway: what Envoy lets through and what it refuses looks the same, and nothing is left."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from hostile_uploads import FORMS, LENGTHS, NAMES, UPLOADS, Case, send, tus_cases
from world import World, within

pytestmark = pytest.mark.e2e


def stored(world: World) -> set[str]:
    """All that lies on the elements' disks of files and uploads."""
    roots = (Path(world.stack.data_dir) / "elements").glob("*")
    places = [root / name for root in roots for name in ("files", "staging", "quarantine")]
    return {str(path) for place in places for path in place.rglob("*") if path.is_file()}


def refused(world: World, cases: list[Case]) -> None:
    """Each in the agreed form, or by a closed connection where its own client had broken off."""
    for case in cases:
        before = stored(world)
        answer = send(world.gateway, case, world.bearer()["Authorization"])
        if answer.status is None:
            assert case.status is None, case.name
        else:
            assert (answer.status, answer.code) == (case.status or 400, case.code), (case.name, answer)
        left = functools.partial(lambda before: stored(world) <= before, before)
        within(60, left, f"nothing is left of: {case.name}")


@pytest.mark.parametrize("cases", [LENGTHS, FORMS, NAMES], ids=["lengths", "forms", "names"])
def test_form(world: World, cases: list[Case]) -> None:
    refused(world, cases)


def test_tus(world: World) -> None:
    headers = world.bearer() | {"Tus-Resumable": "1.0.0"}
    begun = world.http.post(f"{world.gateway}{UPLOADS}", headers=headers | {"Upload-Length": "10"})
    path = begun.headers["location"]
    refused(world, tus_cases(path))
    assert world.http.head(world.gateway + path, headers=headers).headers["upload-offset"] == "0"
    assert world.http.delete(world.gateway + path, headers=headers).status_code == 204
