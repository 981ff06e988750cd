"""Which elements there are: discover, register, edit, delete; real elements over TLS (R1)."""

from __future__ import annotations

from pathlib import Path

from admin_elements import Authority
from artstore_core.ids import new_id
from artstore_core.modes import Mode
from element_world import ELEMENTS, FILES, World, error_of


async def test_discovery_shows_who_answers_and_keeps_nothing(world: World) -> None:
    element = world.element(mode=Mode.RW)
    answer = await world.ask("POST", f"{ELEMENTS}/discover", json={"url": f"{element.url}/"})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["storage_id"], found["mode"], found["url"]) == ("se-new-1", "rw", element.url)
    assert found["registered"] is False
    assert (await world.ask("GET", f"{ELEMENTS}/se-new-1")).status_code == 404
    assert await world.audit() == []


async def test_registered_element_is_known_at_once(world: World) -> None:
    element = world.element(mode=Mode.RW)
    answer = await world.ask("POST", ELEMENTS, json={"url": element.url, "description": "подвал"})
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{ELEMENTS}/se-new-1"
    made = answer.json()
    assert (made["status"], made["mode"], made["description"]) == ("online", "rw", "подвал")
    assert made["capacity_bytes"] > 0
    assert made["epoch"] is not None
    row = await world.row("se-new-1")
    assert {name: row[name] for name in ("url", "epoch", "created_at")} == {
        name: made[name] for name in ("url", "epoch", "created_at")
    }
    assert (await world.ask("POST", f"{ELEMENTS}/discover", json={"url": element.url})).json()["registered"] is True
    assert await world.audit() == [("storage_element.registered", "se-new-1", "sa:sa_operator_1")]
    online = await world.ask("GET", f"{ELEMENTS}?status=online&mode=rw")
    assert [one["storage_id"] for one in online.json()["items"]] == ["se-new-1"]


async def test_an_element_is_registered_once(world: World) -> None:
    element = await world.registered()
    assert error_of(await world.ask("POST", ELEMENTS, json={"url": element.url})) == (409, "CONFLICT")
    by_name = element.url.replace("127.0.0.1", "localhost")
    assert error_of(await world.ask("POST", ELEMENTS, json={"url": by_name})) == (409, "CONFLICT")


NO_URLS = [
    "http://127.0.0.1:8010", "https://user@127.0.0.1", "https://127.0.0.1/x", "https://2130706433", "https://[::1]",
    "https://10.0.0.1", "https://169.254.169.254", "https://[::ffff:10.0.0.1]", "https://8.8.8.8", "", "x" * 400,
]  # fmt: skip


async def test_where_admin_may_not_call_is_refused_by_field(world: World) -> None:
    for url in NO_URLS:
        for path in (ELEMENTS, f"{ELEMENTS}/discover"):
            answer = await world.ask("POST", path, json={"url": url})
            assert error_of(answer) == (400, "VALIDATION_ERROR"), url
            assert set(answer.json()["error"]["details"]) == {"url"}


async def test_edit_is_bounded_as_registering_is(world: World) -> None:
    await world.registered()
    for url in ("https://10.0.0.1", "http://127.0.0.1", None):
        answer = await world.ask("PATCH", f"{ELEMENTS}/se-new-1", json={"url": url})
        assert error_of(answer) == (400, "VALIDATION_ERROR")
        assert set(answer.json()["error"]["details"]) == {"url"}


async def test_nobody_there_is_said_in_words_of_our_own(world: World, unused_tcp_port: int) -> None:
    answer = await world.ask("POST", ELEMENTS, json={"url": f"https://127.0.0.1:{unused_tcp_port}"})
    assert error_of(answer) == (503, "STORAGE_UNAVAILABLE")
    assert answer.json()["error"]["message"] == "it cannot be reached"
    assert answer.headers["retry-after"]


async def test_who_has_no_certificate_of_ours_is_no_element(world: World, tmp_path: Path) -> None:
    element = world.element()
    (tmp_path / "other").mkdir()
    world.authority = Authority(tmp_path / "other", "somebody else")
    stranger = world.element("se-stranger-1")
    assert (await world.ask("POST", f"{ELEMENTS}/discover", json={"url": element.url})).status_code == 200
    answer = await world.ask("POST", ELEMENTS, json={"url": stranger.url})
    assert error_of(answer) == (502, "UPSTREAM_FAILED")


async def test_description_changes_alone_and_is_cleared(world: World) -> None:
    await world.registered()
    path = f"{ELEMENTS}/se-new-1"
    changed = await world.ask("PATCH", path, json={"description": "подвал"})
    assert (changed.status_code, changed.json()["description"]) == (200, "подвал")
    assert (await world.ask("PATCH", path, json={})).json()["description"] == "подвал"
    assert (await world.ask("PATCH", path, json={"description": None})).json()["description"] is None
    assert [action for action, _, _ in await world.audit()] == [
        "storage_element.registered", *["storage_element.changed"] * 3
    ]  # fmt: skip


async def test_a_new_url_must_lead_to_the_same_element(world: World) -> None:
    element, other = await world.registered(), world.element("se-other-1")
    path = f"{ELEMENTS}/se-new-1"
    assert error_of(await world.ask("PATCH", path, json={"url": other.url})) == (409, "CONFLICT")
    by_name = element.url.replace("127.0.0.1", "localhost")
    moved = await world.ask("PATCH", path, json={"url": by_name})
    assert (moved.status_code, moved.json()["url"], moved.json()["status"]) == (200, by_name, "online")
    assert (await world.row("se-new-1"))["url"] == by_name
    assert error_of(await world.ask("PATCH", f"{ELEMENTS}/se-none-1", json={"url": by_name})) == (404, "NOT_FOUND")


async def test_a_url_that_another_row_has_is_a_conflict(world: World) -> None:
    element = await world.registered()
    by_name = element.url.replace("127.0.0.1", "localhost")
    async with world.admin.store.transaction() as rows:
        other = await rows.elements.get("se-rw-1")
        assert other is not None
        await rows.elements._connection.exec_driver_sql(
            "UPDATE storage_elements SET url = $1 WHERE storage_id = 'se-rw-1'", (by_name,)
        )
    assert error_of(await world.ask("PATCH", f"{ELEMENTS}/se-new-1", json={"url": by_name})) == (409, "CONFLICT")
    assert (await world.row("se-new-1"))["url"] == element.url


async def test_an_element_with_files_is_deleted_only_by_force_and_keeps_them(world: World) -> None:
    element = await world.registered()
    file = await world.file_on(element)
    path = f"{ELEMENTS}/se-new-1"
    assert error_of(await world.ask("DELETE", path)) == (409, "CONFLICT")
    assert (await world.ask("DELETE", f"{path}?force=true")).status_code == 204
    assert (await world.ask("GET", path)).status_code == 404
    assert (await world.ask("GET", f"{FILES}/{file['file_id']}")).status_code == 404
    assert element.ask("GET", f"/api/v1/files/{file['file_id']}").status_code == 200
    assert [action for action, _, _ in await world.audit()][-2:] == [
        "storage_element.deletion_began", "storage_element.deleted"
    ]  # fmt: skip
    assert error_of(await world.ask("DELETE", path)) == (404, "NOT_FOUND")


async def test_deleted_files_keep_no_element(world: World) -> None:
    element = await world.registered()
    file = await world.file_on(element)
    assert (await world.ask("DELETE", f"{FILES}/{file['file_id']}")).status_code == 204
    assert (await world.ask("DELETE", f"{ELEMENTS}/se-new-1")).status_code == 204
    assert (await world.ask("GET", FILES)).json()["total"] == 0


async def test_many_files_leave_in_several_transactions(world: World) -> None:
    element = await world.registered()
    await world.file_on(element)
    async with world.admin.store.transaction() as rows:
        await rows.elements._connection.exec_driver_sql(
            "INSERT INTO files (file_id, storage_element_id, original_filename, content_type, size, checksum,"
            " uploaded_by, uploaded_at, status, retention_policy, revision) SELECT gen_random_uuid(), 'se-new-1', 'x',"
            " 'a/b', 1, repeat('0', 64), 'sa:x', now(), 'active', 'permanent', 1 FROM generate_series(1, 12000)"
        )
    assert (await world.ask("DELETE", f"{ELEMENTS}/se-new-1?force=true")).status_code == 204
    async with world.admin.store.transaction() as rows:
        found = await rows.elements._connection.exec_driver_sql(
            "SELECT (SELECT count(*) FROM files), (SELECT sum(bytes) FROM account_usage),"
            " (SELECT details->>'files_removed' FROM audit_log WHERE action = 'storage_element.deleted')"
        )
        assert tuple(found.one()) == (0, 0, "12001")


async def test_registering_on_an_element_that_is_gone_is_refused(world: World) -> None:
    element = await world.registered()
    assert (await world.ask("DELETE", f"{ELEMENTS}/se-new-1")).status_code == 204
    file = element.put()
    headers = await world.admin.bearer("ingester", resource="urn:artstore:internal")
    answer = await world.admin.http.post(FILES, json={**file, "storage_element_id": "se-new-1"}, headers=headers)
    assert error_of(answer) == (400, "VALIDATION_ERROR")


async def test_a_reader_makes_admin_call_nobody(world: World) -> None:
    element = world.element()
    for method, path in [
        ("POST", ELEMENTS),
        ("POST", f"{ELEMENTS}/discover"),
        ("PATCH", f"{ELEMENTS}/se-rw-1"),
        ("DELETE", f"{ELEMENTS}/se-rw-1"),
        ("POST", f"{ELEMENTS}/se-rw-1/mode"),
    ]:
        body = None if method == "DELETE" else {"url": element.url}
        answer = await world.ask(method, path, account="client", json=body)
        assert error_of(answer) == (403, "FORBIDDEN"), (method, path)


async def test_unknown_ids_are_not_found(world: World) -> None:
    for method, path in [
        ("GET", "/reconcile"),
        ("POST", "/reconcile"),
        ("GET", "/scrub"),
        ("POST", "/scrub"),
        ("GET", f"/files/{new_id()}"),
    ]:
        assert error_of(await world.ask(method, f"{ELEMENTS}/se-none-1{path}")) == (404, "NOT_FOUND")
