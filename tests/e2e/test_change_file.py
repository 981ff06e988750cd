"""A file is changed and deleted where it lies, and the registry, search and download follow."""

from __future__ import annotations

import pytest
from world import World, pdf, within

pytestmark = pytest.mark.e2e


def test_changed_and_deleted_through_the_gateway(world: World) -> None:
    file_id = world.uploaded(pdf("changing"), retention_policy="temporary")["file_id"]
    url = f"{world.gateway}/api/v1/files/{file_id}"
    changed = world.http.patch(url, json={"tags": ["new"]}, headers=world.bearer() | {"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"'), changed.text
    row = world.http.get(f"{world.gateway}/api/v1/registry/files/{file_id}", headers=world.bearer("operator")).json()
    assert (row["tags"], row["revision"]) == (["new"], 2)
    stale = world.http.delete(url, headers=world.bearer() | {"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["error"]["code"]) == (412, "PRECONDITION_FAILED")
    assert world.http.delete(url, headers=world.bearer()).status_code == 204
    within(10, lambda: world.download(file_id).status_code == 404, "the download is gone")
    row = world.http.get(f"{world.gateway}/api/v1/registry/files/{file_id}", headers=world.bearer("operator")).json()
    assert (row["status"], row["revision"]) == ("deleted", 3)
    assert world.http.delete(url, headers=world.bearer()).status_code == 404


def test_a_permanent_file_cannot_be_deleted(world: World) -> None:
    file_id = world.uploaded(pdf("staying"))["file_id"]
    answer = world.http.delete(f"{world.gateway}/api/v1/files/{file_id}", headers=world.bearer())
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "MODE_NOT_ALLOWED")
    assert world.download(file_id).status_code == 200
