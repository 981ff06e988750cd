"""PATCH and DELETE, with If-Match: each revision once, and no update lost."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

LARGE = 100_000


@pytest.fixture
async def file_id(api: Any) -> UUID:
    file_id = uuid4()
    assert (await api.put(file_id, b"hello")).status_code == 201
    return file_id


async def patch(api: Any, file_id: UUID, given: Any, match: str | None = None) -> Any:
    headers = {} if match is None else {"If-Match": match}
    return await api.client.patch(f"/api/v1/files/{file_id}", json=given, headers=headers)


async def delete(api: Any, file_id: UUID, match: str | None = None) -> Any:
    headers = {} if match is None else {"If-Match": match}
    return await api.client.delete(f"/api/v1/files/{file_id}", headers=headers)


async def get(api: Any, file_id: UUID) -> Any:
    return await api.client.get(f"/api/v1/files/{file_id}")


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({"description": "neu"}, {"description": "neu"}),
        ({"description": None}, {"description": None}),
        ({"tags": ["b", "a", "b"]}, {"tags": ["b", "a"]}),
        ({"tags": None}, {"tags": []}),
        ({"metadata": {"x": 1}}, {"metadata": {"x": 1}}),  # whole: `project` is gone
        ({"metadata": None}, {"metadata": {}}),
        ({"description": "neu", "tags": [], "metadata": {}}, {"description": "neu", "tags": [], "metadata": {}}),
        ({}, {}),
    ],
)
async def test_given_field_replaces_and_null_clears(
    make: Any, api: Any, file_id: UUID, given: dict[str, Any], changed: dict[str, Any]
) -> None:
    before = (await get(api, file_id)).json()
    answer = await patch(api, file_id, given)
    assert (answer.status_code, answer.json()) == (200, before | changed | {"revision": 2})
    assert answer.headers["etag"] == '"2"'
    assert (await get(api, file_id)).json() == answer.json()
    assert (await api.download(file_id)).content == b"hello"
    await make.stop()
    api = await make.start()
    assert (await get(api, file_id)).json() == answer.json()


@pytest.mark.parametrize(
    "given",
    [
        {"size": 1},
        {"status": "active"},
        {"original_filename": "x"},
        {"retention_policy": "temporary"},
        {"tags": "x"},
        {"tags": [""]},
        {"metadata": []},
        {"description": 5},
        {"description": "a\x00b"},
        [],
        "x",
    ],
)
async def test_bad_update_changes_nothing(api: Any, file_id: UUID, given: Any) -> None:
    before = (await get(api, file_id)).json()
    answer = await patch(api, file_id, given)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert (await get(api, file_id)).json() == before


async def test_large_update_is_refused(api: Any, file_id: UUID) -> None:
    answer = await patch(api, file_id, {"description": "x" * 3_000_000})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "FILE_TOO_LARGE")


@pytest.mark.parametrize("match", ['"2"', 'W/"1"', '"x"', '"2", "3"', "1", ""])
async def test_other_revision_is_412_and_changes_nothing(api: Any, file_id: UUID, match: str) -> None:
    for answer in (await patch(api, file_id, {"tags": []}, match), await delete(api, file_id, match)):
        assert (answer.status_code, answer.json()["error"]["code"]) == (412, "PRECONDITION_FAILED")
    assert (await get(api, file_id)).json()["revision"] == 1


@pytest.mark.parametrize("match", [None, '"1"', "*", '"0", "1"'])
async def test_this_revision_passes(api: Any, file_id: UUID, match: str | None) -> None:
    assert (await patch(api, file_id, {"tags": []}, match)).status_code == 200
    assert (await delete(api, file_id, '"2"')).status_code == 204


async def test_deleted_file_is_gone_for_readers_and_stays_deleted(make: Any, api: Any, file_id: UUID) -> None:
    assert (await delete(api, file_id)).status_code == 204

    async def gone(api: Any) -> None:
        for answer in (
            await get(api, file_id),
            await api.download(file_id),
            await patch(api, file_id, {"tags": []}),
            await delete(api, file_id),
        ):
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")
        (listed,) = (await api.client.get("/api/v1/files")).json()["items"]
        assert (listed["status"], listed["revision"]) == ("deleted", 2)
        assert (await api.client.get("/api/v1/files", params={"status": "active"})).json()["total"] == 0
        again = await api.put(file_id, b"hello")
        assert (again.status_code, again.json()["error"]["code"]) == (409, "CONFLICT")

    await gone(api)
    await make.stop()
    await gone(await make.start())


async def test_record_says_who_deleted_and_when(api: Any, file_id: UUID) -> None:
    await delete(api, file_id)
    await api.checkpoint()
    record = next(api.root.rglob("*.attr.json")).read_text()
    assert '"deleted_at"' in record
    assert '"deleted_by": "' in record


async def test_unknown_and_expired_files_are_404(api: Any) -> None:
    expired = uuid4()
    await api.put(expired, b"x", retention_policy="temporary", ttl_days=1)
    api.clock.advance(timedelta(days=1))
    for file_id in (uuid4(), expired):
        assert (await patch(api, file_id, {"tags": []})).status_code == 404
        assert (await delete(api, file_id)).status_code == 404


async def test_every_one_of_many_updates_at_once_gets_a_revision_of_its_own(make: Any, api: Any, file_id: UUID) -> None:
    answers = await asyncio.gather(*(patch(api, file_id, {"metadata": {"n": n}}) for n in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["revision"] for answer in answers) == list(range(2, 52))
    last = max(answers, key=lambda answer: int(answer.json()["revision"])).json()
    assert (await get(api, file_id)).json() == last
    await make.stop()
    api = await make.start()
    assert (await get(api, file_id)).json() == last


async def test_no_update_is_lost_where_each_builds_on_the_one_before(api: Any, file_id: UUID) -> None:
    """Read, add, write back with If-Match, again on 412: what everybody added is there in the end."""

    async def add(name: str) -> int:
        refused = 0
        while True:
            found = await get(api, file_id)
            tags = [*found.json()["tags"], name]
            answer = await patch(api, file_id, {"tags": tags}, found.headers["etag"])
            if answer.status_code == 200:
                return refused
            assert answer.status_code == 412
            refused += 1

    refused = await asyncio.gather(*(add(f"n{n}") for n in range(12)))
    file = (await get(api, file_id)).json()
    assert sorted(file["tags"]) == sorted(["invoice", *(f"n{n}" for n in range(12))])
    assert file["revision"] == 13
    assert sum(refused) > 0  # they did meet


async def test_one_of_many_deletes_at_once_deletes(api: Any, file_id: UUID) -> None:
    answers = await asyncio.gather(*(delete(api, file_id) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [204] + [404] * 9


@pytest.mark.parametrize("size", [5, LARGE])
async def test_one_of_twenty_clients_with_the_same_file_makes_it(api: Any, size: int) -> None:
    file_id, data = uuid4(), bytes(size)
    answers = await asyncio.gather(*(api.put(file_id, data) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert {answer.text for answer in answers} == {answers[0].text}
    assert api.files() == [f"{file_id}.attr.json", f"{file_id}.data"]


async def test_download_that_has_begun_finishes_after_the_delete(api: Any) -> None:
    file_id, data = uuid4(), bytes(range(256)) * 16_384
    await api.put(file_id, data)
    await api.checkpoint()
    async with api.client.stream("GET", f"/api/v1/files/{file_id}/download") as answer:
        assert (await delete(api, file_id)).status_code == 204
        assert await answer.aread() == data
