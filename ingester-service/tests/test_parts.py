"""Signed parts: begun, signed, sent past the ingester, completed; and all that can be wrong."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from artstore_core.modes import Mode
from idempotency_support import Keys
from ingester_service.parts.sizes import MAX_PARTS, PART_BYTES, part_count_of, part_length_of, part_size_of
from ingester_support import MIB, ElementProcess, Ingester, until
from parts_support import CONTENT, PART, PARTS, SENT, PartsClient, code, details, sha256
from tus_support import Tus


@pytest.fixture
def client(ingester: Ingester, rw: ElementProcess) -> PartsClient:
    del rw
    return PartsClient(ingester)


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, PART_BYTES + 1, PART_BYTES * MAX_PARTS, 1024**4])
def test_parts_are_never_too_many_and_make_the_whole(size: int) -> None:
    part_size = part_size_of(size)
    count = part_count_of(size, part_size)
    assert (count <= MAX_PARTS, part_size % MIB) == (True, 0)
    lengths = {part_length_of(size, part_size, number) for number in range(1, count)}
    last = part_length_of(size, part_size, count) if count else 0
    assert lengths <= {part_size}
    assert part_size * max(count - 1, 0) + last == size


async def test_from_the_beginning_to_the_file(ingester: Ingester, client: PartsClient, rw: ElementProcess) -> None:
    said: dict[str, Any] = {
        "filename": "Отчёт, 2025.pdf",
        "size": len(CONTENT),
        "retention_policy": "permanent",
        "description": "годовой",
        "tags": ["a, b", "сканы"],
        "metadata": {"project": "north", "n": 1},
        "content_type": "image/png",
    }
    begun = await client.ask("POST", "", said)
    assert begun.status_code == 201, begun.text
    upload_id = begun.json()["upload_id"]
    assert begun.headers["location"] == f"/api/v1/uploads/{upload_id}"
    assert begun.json().keys() == {"upload_id", "part_size", "expires_at"}
    assert begun.json()["part_size"] == PART
    signed = await client.ask("POST", f"/{upload_id}/parts", {"part_numbers": [2]})
    assert signed.headers["cache-control"] == "no-store"
    (part,) = signed.json()["parts"]
    assert part["url"].startswith(f"{ingester.issuer.issuer}/_element/")
    assert rw.storage_id not in part["url"]
    left = datetime.fromisoformat(part["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < left <= timedelta(minutes=10)
    put = await client.put(part["url"], PARTS[1])
    assert put.headers["etag"] == SENT[1]["etag"]
    state = await client.state(upload_id)
    assert (state["status"], state["kind"], state["offset"]) == ("uploading", "parts", len(PARTS[1]))
    assert state["parts"] == [{"part_number": 2, "size": len(PARTS[1]), "etag": SENT[1]["etag"]}]
    assert state["expires_at"] is not None
    await client.send(upload_id)
    done = await client.complete(upload_id, sha256=sha256(CONTENT))
    assert done.status_code == 201, done.text
    file = done.json()
    assert (file["file_id"], file["checksum"], file["content_type"]) == (upload_id, sha256(CONTENT), "application/pdf")
    assert {name: file[name] for name in ("description", "tags", "metadata")} == {
        name: said[name] for name in ("description", "tags", "metadata")
    }
    assert (file["original_filename"], file["uploaded_by"]) == (said["filename"], "sa:sa_test_0001")
    assert rw.data() == [CONTENT]
    assert [one["file_id"] for one in ingester.admin.registered] == [upload_id]
    again = await client.complete(upload_id, sha256=sha256(CONTENT))
    assert (again.status_code, again.json()) == (201, file)
    assert (await client.state(upload_id))["status"] == "complete"
    await until(lambda: len(ingester.admin.audited) > 0, 60)
    (entry,) = [one for one in ingester.admin.audited if one["action"] == "file.uploaded"]
    assert entry["target"] == upload_id


async def test_any_replica_goes_on(ingester: Ingester, client: PartsClient, rw: ElementProcess) -> None:
    upload_id = await client.begin(retention_policy="permanent")
    async with httpx.AsyncClient(base_url=ingester.replica(), timeout=60) as second:
        await client.at(second).send(upload_id)
    async with httpx.AsyncClient(base_url=ingester.replica(), timeout=60) as third:
        assert (await client.at(third).complete(upload_id)).status_code == 201
    assert rw.data() == [CONTENT]


async def test_what_was_begun_goes_on_without_admin(
    ingester: Ingester, client: PartsClient, rw: ElementProcess
) -> None:
    """As with tus: the account was let in when it began."""
    ingester.admin.quota_files = 5
    upload_id = await client.begin()
    ingester.admin.quota_status = ingester.admin.elements_status = ingester.admin.registry_status = 503
    await client.send(upload_id)
    assert (await client.complete(upload_id)).json()["registered"] is False
    assert rw.data() == [CONTENT]


async def test_wrong_completion_changes_nothing_and_a_right_one_still_can(
    ingester: Ingester, client: PartsClient, rw: ElementProcess
) -> None:
    upload_id = await client.begin()
    (first,) = await client.urls(upload_id, 1)
    await client.put(first, PARTS[0])
    answer = await client.complete(upload_id)
    assert (code(answer), details(answer)) == ((409, "CONFLICT"), {"parts": "missing: 2"})
    await client.send(upload_id)
    other = {"part_number": 2, "etag": SENT[0]["etag"]}
    answer = await client.complete(upload_id, [SENT[0], other])
    assert (code(answer), details(answer)) == ((400, "CHECKSUM_MISMATCH"), {"parts": "part 2 has another etag"})
    assert code(await client.complete(upload_id, sha256=sha256(b"x"))) == (400, "CHECKSUM_MISMATCH")
    for sent in (SENT[:1], [], [*SENT, SENT[0]], [SENT[0], {"part_number": 3, "etag": SENT[1]["etag"]}]):
        assert code(await client.complete(upload_id, sent)) == (400, "VALIDATION_ERROR")
    assert code(await client.complete(upload_id, [{"part_number": 1, "etag": "x"}])) == (400, "VALIDATION_ERROR")
    assert (rw.data(), ingester.admin.registered) == ([], [])
    assert (await client.complete(upload_id, SENT[::-1])).status_code == 201
    assert rw.data() == [CONTENT]


async def test_url_takes_one_part_of_one_length_and_digest(client: PartsClient) -> None:
    upload_id = await client.begin()
    digest = {"sha256": {"2": sha256(PARTS[1])}}
    first, second = await client.urls(upload_id, 1, 2, **digest)
    assert code(await client.put(second, PARTS[1][::-1])) == (400, "CHECKSUM_MISMATCH")
    assert code(await client.put(second, PARTS[0])) == (400, "VALIDATION_ERROR")
    assert code(await client.put(second.replace("/parts/2?", "/parts/1?"), PARTS[0])) == (403, "FORBIDDEN")
    assert code(await client.put(first.replace("ticket=", "ticket=A"), PARTS[0])) == (401, "UNAUTHORIZED")
    assert (await client.state(upload_id))["offset"] == 0
    assert (await client.put(second, PARTS[1])).status_code == 200
    wrong: list[dict[str, Any]] = [
        {"part_numbers": []},
        {"part_numbers": [0]},
        {"part_numbers": [3]},
        {"part_numbers": [1], "sha256": {"2": sha256(b"")}},
        {"part_numbers": [1], "sha256": {"1": "x"}},
        {"part_numbers": list(range(1, 1002))},
        {},
    ]
    for body in wrong:
        assert code(await client.ask("POST", f"/{upload_id}/parts", body)) == (400, "VALIDATION_ERROR"), body


async def test_what_is_somebody_elses_is_not_there(ingester: Ingester, client: PartsClient) -> None:
    upload_id = await client.begin()
    other = PartsClient(ingester, "sa:sa_other_0002")
    for method, path, body in (
        ("GET", "", None),
        ("POST", "/parts", {"part_numbers": [1]}),
        ("POST", "/complete", {"parts": SENT}),
    ):
        assert code(await other.ask(method, f"/{upload_id}{path}", body)) == (404, "NOT_FOUND")
    assert (await other.ask("DELETE", f"/{upload_id}")).status_code == 204  # of nothing
    assert (await client.state(upload_id))["status"] == "uploading"


async def test_given_up_it_leaves_nothing(ingester: Ingester, client: PartsClient, rw: ElementProcess) -> None:
    ingester.admin.quota_files = 1
    upload_id = await client.begin()
    refused = await client.ask("POST", "", {"filename": "b.pdf", "size": 1})
    assert code(refused) == (403, "QUOTA_EXCEEDED")
    await client.send(upload_id)
    assert [(await client.ask("DELETE", f"/{upload_id}")).status_code for _ in range(2)] == [204, 204]
    assert (rw.files(), ingester.admin.reserved) == ([], {})
    assert code(await client.complete(upload_id)) == (404, "NOT_FOUND")


async def test_a_file_is_not_given_up(client: PartsClient, rw: ElementProcess) -> None:
    upload_id = await client.begin(size=0)
    assert (await client.complete(upload_id, [])).status_code == 201
    assert code(await client.ask("DELETE", f"/{upload_id}")) == (409, "CONFLICT")
    assert rw.data() == [b""]


async def test_refused_type_leaves_nothing(client: PartsClient, rw: ElementProcess) -> None:
    executable = b"MZ" + bytes(998)
    for name, begun in (("a.exe", 415), ("a.pdf", 201)):
        assert (await client.ask("POST", "", {"filename": name, "size": 1000})).status_code == begun
    upload_id = await client.begin("a.txt", 1000)
    await client.send(upload_id, [executable])
    sent = [{"part_number": 1, "etag": sha256(executable)}]
    assert code(await client.complete(upload_id, sent)) == (415, "TYPE_NOT_ALLOWED")
    assert rw.data() == []
    assert (await client.ask("GET", f"/{upload_id}")).status_code == 404


async def test_registration_may_wait(ingester: Ingester, client: PartsClient) -> None:
    upload_id = await client.begin(size=0)
    ingester.admin.registry_status = 503
    assert (await client.complete(upload_id, [])).json()["registered"] is False
    ingester.admin.registry_status = 201
    assert "registered" not in (await client.complete(upload_id, [])).json()


async def test_completed_once_under_one_key(client: PartsClient, keys: Keys, rw: ElementProcess) -> None:
    del keys
    begun = [
        await client.ask("POST", "", {"filename": "a.pdf", "size": len(CONTENT)}, Idempotency_Key="begin")
        for _ in range(2)
    ]
    assert begun[0].json()["upload_id"] == begun[1].json()["upload_id"]
    assert begun[1].headers["idempotent-replayed"] == "true"
    upload_id = begun[0].json()["upload_id"]
    await client.send(upload_id)
    answers = await asyncio.gather(*(client.complete(upload_id, Idempotency_Key="k") for _ in range(6)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    last = await client.complete(upload_id, Idempotency_Key="k")
    assert (last.status_code, last.headers["idempotent-replayed"]) == (201, "true")
    assert last.json()["file_id"] == upload_id
    other = await client.complete(upload_id, sha256=sha256(CONTENT), Idempotency_Key="k")
    assert code(other) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert rw.data() == [CONTENT]


async def test_tus_and_parts_do_not_mix(client: PartsClient, tus: Tus) -> None:
    upload_id = await client.begin()
    path = f"/api/v1/uploads/{upload_id}"
    assert code(await tus.patch(path, 0, b"x")) == (409, "CONFLICT")
    assert (await tus.ask("HEAD", path)).status_code == 409
    joined = await tus.ask("POST", "/api/v1/uploads", {"Upload-Concat": f"final;{path}"})
    assert code(joined) == (400, "VALIDATION_ERROR")
    resumable = (await tus.begin(10)).rpartition("/")[2]
    assert code(await client.ask("POST", f"/{resumable}/parts", {"part_numbers": [1]})) == (409, "CONFLICT")
    assert code(await client.complete(resumable, [])) == (409, "CONFLICT")
    assert "parts" not in {name for name, value in (await client.state(resumable)).items() if value is not None}
    with_tus = await tus.ask("POST", "/api/v1/uploads", {"Content-Type": "application/json"}, b"{}")
    assert (with_tus.status_code, with_tus.json()["error"]["details"].keys()) == (400, {"Upload-Length"})
    assert (await client.ask("POST", "", None)).status_code == 412  # neither: it is tus without its version


async def test_beginning_that_is_not_valid(ingester: Ingester, client: PartsClient, rw: ElementProcess) -> None:
    good = {"filename": "a.pdf", "size": 1}
    wrong: list[dict[str, Any]] = [
        {"filename": "a.pdf"},
        good | {"size": -1},
        good | {"size": "many"},
        good | {"filename": ""},
        good | {"filename": ".."},
        good | {"filename": "a\u0000"},
        good | {"retention_policy": "for ever"},
        good | {"retention_policy": "temporary", "ttl_days": 0},
        good | {"ttl_days": 5},
        good | {"tags": [""]},
        good | {"metadata": []},
        good | {"colour": "red"},
        good
        | {
            "description": "я" * 10_000,
            "metadata": {"x": "y" * 16_000},
            "tags": ["ж" * 99 + str(n) for n in range(99)],
        },
    ]
    for body in wrong:
        answer = await client.ask("POST", "", body)
        assert code(answer) == (400, "VALIDATION_ERROR"), body
    assert code(await client.ask("POST", "?ttl_days=3", good)) == (400, "VALIDATION_ERROR")
    assert code(await client.ask("POST", "", good | {"size": 2**41})) == (413, "FILE_TOO_LARGE")
    huge = await ingester.http.post(
        "/api/v1/uploads", content=b" " * (3 * MIB), headers=client.headers | {"Content-Type": "application/json"}
    )
    assert huge.status_code == 413
    assert rw.files() == []


async def test_temporary_goes_where_files_may_go_again(ingester: Ingester, client: PartsClient) -> None:
    answer = await client.ask("POST", "", {"filename": "a.pdf", "size": 1, "retention_policy": "temporary"})
    assert code(answer) == (503, "NO_STORAGE_AVAILABLE")
    edit = ingester.element("se-edit-1", Mode.EDIT)
    upload_id = await client.begin(size=5, retention_policy="temporary", ttl_days=3)
    await client.send(upload_id, [b"hello"])
    done = await client.complete(upload_id, [{"part_number": 1, "etag": sha256(b"hello")}])
    assert (done.json()["retention_policy"], done.json()["ttl_days"]) == ("temporary", 3)
    assert edit.data() == [b"hello"]
