"""A token opens what it was made for, and nothing else (I2)."""

from __future__ import annotations

from uuid import uuid4

import pytest
from world import World

pytestmark = pytest.mark.e2e


def element_status(world: World, storage_id: str, headers: dict[str, str]) -> int:
    url = world.credentials["storage_elements"][storage_id]
    return world.http.get(f"{url}/api/v1/files/{uuid4()}", headers=headers).status_code


def test_clients_token_is_refused_by_an_element(world: World) -> None:
    assert element_status(world, "se-rw-1", world.bearer("operator")) == 401


def test_internal_token_is_refused_by_an_element(world: World) -> None:
    assert element_status(world, "se-rw-1", world.bearer("service", resource="urn:artstore:internal")) == 401


def test_elements_token_opens_that_element_alone(world: World) -> None:
    token = world.bearer("service", resource="urn:artstore:element:se-rw-1")
    assert element_status(world, "se-rw-1", token) == 404
    assert element_status(world, "se-edit-1", token) == 401


def test_elements_token_opens_no_service(world: World) -> None:
    token = world.bearer("service", resource="urn:artstore:element:se-rw-1")
    for service, path in (
        ("query", f"/api/v1/files/{uuid4()}"),
        ("admin", "/api/v1/storage-elements"),
        ("admin", "/api/v1/registry/files"),
    ):
        assert world.http.get(world.credentials["services"][service] + path, headers=token).status_code == 401


def test_nothing_internal_is_shown_to_a_client(world: World) -> None:
    file = world.uploaded(b"plain words", "a.txt")
    shown = world.http.get(f"{world.gateway}/api/v1/files/{file['file_id']}", headers=world.bearer()).text
    for answer in (str(file), shown, world.search(query="a.txt", mode="partial").text):
        assert "se-rw-1" not in answer
        assert "storage" not in answer
