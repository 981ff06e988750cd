"""One file in the console, on a real storage element: all that is known of it, changed, deleted (requirements C3, C5, C6)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from html import escape
from typing import Any

import jwt
import pytest
from admin_elements import Element
from admin_people import ADMIN_PASSWORD, PASSWORD
from admin_service.config import Settings
from artstore_core.ids import new_id
from artstore_core.modes import Mode
from artstore_testing.servers import free_port, running_app
from console_files import FILE_ID, HOSTILE, StandIn, found_file, raw, rendition, search_answer
from console_support import Browser, browser
from element_world import World


@pytest.fixture
def upstream() -> StandIn:
    return StandIn()


@pytest.fixture
def settings(settings: Settings, upstream: StandIn) -> Iterator[Settings]:
    with running_app(upstream.app) as url:
        yield settings.model_copy(update={"query_url": url, "render_url": url})


@pytest.fixture
async def visitor(world: World) -> AsyncIterator[Browser]:
    async with browser(world.admin.http) as one:
        await one.sign_in("admin", ADMIN_PASSWORD)
        yield one


@pytest.fixture
async def reader(world: World) -> AsyncIterator[Browser]:
    user = {"username": "reader", "password": PASSWORD, "role": "readonly"}
    answer = await world.ask("POST", "/api/v1/admin-users", json=user)
    assert answer.status_code == 201, answer.text
    async with browser(world.admin.http) as one:
        await one.sign_in("reader", PASSWORD)
        yield one


async def test_the_files_of_one_element_are_the_registrys(visitor: Browser, world: World, upstream: StandIn) -> None:
    element = await world.registered()
    file = await world.file_on(element, original_filename="на месте.txt")
    page = await visitor.page("files", storage_element_id=element.storage_id)
    assert "на месте.txt" in page
    assert f'href="/admin/files/{file["file_id"]}"' in page
    assert "на месте.txt" not in await visitor.page("files", storage_element_id=element.storage_id, status="deleted")
    assert upstream.searches == []


async def test_a_file_with_all_that_is_known_of_it(visitor: Browser, world: World, upstream: StandIn) -> None:
    element = await world.registered()
    about = {"description": "строка\nещё", "tags": ["сканы"], "metadata": {"project": "север", "n": {"a": [1]}}}
    file = await world.file_on(element, **about)
    upstream.renditions = [rendition("thumb", width=128), *(rendition("page", page=n) for n in (1, 2))]
    upstream.renditions += [rendition("page", page=1, width=2048)]
    page = await visitor.page(f"files/{file['file_id']}")
    for text in (
        "отчёт.pdf",
        file["checksum"],
        "сканы",
        "север",
        '{"a": [1]}',
        "Both say the same.",
        element.storage_id,
    ):
        assert text in page
    # By the host that the visitor came to, whatever the services call it.
    path = f"/api/v1/renditions/{FILE_ID}/content"
    assert f'<a href="{path}/page-1-2048.webp?ticket=t" target="_blank"' in page
    assert f'<img src="{path}/page-1-512.webp?ticket=t"' in page
    assert page.count("<img") == 2
    assert "another-name.test" not in page
    for forbidden in ("<iframe", "<embed", "<object"):
        assert forbidden not in page


async def first_sync_ended(world: World, element: Element) -> None:
    """The one that a registration starts: what is changed after it is not made even by it."""
    async with asyncio.timeout(60):
        while True:
            syncs = (await world.ask("GET", f"/api/v1/storage-elements/{element.storage_id}/syncs")).json()["items"]
            if syncs and syncs[0]["status"] != "running":
                return
            await asyncio.sleep(0.02)


async def test_where_registry_and_attr_json_part_it_is_marked(visitor: Browser, world: World) -> None:
    element = await world.registered()
    file = await world.file_on(element)
    await first_sync_ended(world, element)
    path = f"/api/v1/files/{file['file_id']}"
    assert element.ask("PATCH", path, json={"tags": ["мимо"], "description": HOSTILE}).status_code == 200
    page = await raw(visitor, f"files/{file['file_id']}")
    assert "3 fields differ." in page
    assert page.count('<tr class="differs">') == 3
    assert "мимо" in page
    assert "<script>alert" not in page


async def test_an_element_that_is_away_leaves_the_registrys_word(visitor: Browser, world: World) -> None:
    element = await world.registered()
    file = await world.file_on(element)
    await world.move_away(element, free_port())
    page = await visitor.page(f"files/{file['file_id']}")
    assert "attr.json could not be read just now" in page
    assert file["checksum"] in page


async def test_hostile_texts_are_texts(visitor: Browser, world: World, upstream: StandIn) -> None:
    upstream.renditions = [rendition("page", page=1) | {"url": "javascript:alert(1)"}]
    element = await world.registered()
    about = {"original_filename": HOSTILE, "description": HOSTILE, "tags": [HOSTILE], "metadata": {HOSTILE: HOSTILE}}
    file = await world.file_on(element, **about)
    for path in ("", "/edit", "/delete"):
        page = await raw(visitor, f"files/{file['file_id']}{path}")
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "javascript:" not in page
    assert escape(HOSTILE).replace("&quot;", "&#34;").replace("&#x27;", "&#39;") in page


def form_of(file: dict[str, Any], **fields: str) -> dict[str, str]:
    return {"revision": str(file["revision"]), "description": "", "tags": "", "metadata": ""} | fields


async def test_description_tags_and_metadata_are_changed(visitor: Browser, world: World) -> None:
    element = await world.registered()
    file = await world.file_on(element, tags=["старый"])
    path = f"files/{file['file_id']}"
    assert ">старый</textarea>" in await visitor.page(f"{path}/edit")
    fields = form_of(file, description="раз\r\nдва", tags="новый\r\n с, запятой \r\n", metadata='{"project": "север"}')
    answer = await visitor.send(f"{path}/edit", fields)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/admin/{path}")
    assert "The file is changed." in await visitor.page(path)
    kept = element.ask("GET", f"/api/v1/files/{file['file_id']}").json()
    assert (kept["description"], kept["tags"]) == ("раз\nдва", ["новый", "с, запятой"])
    assert (kept["metadata"], kept["revision"]) == ({"project": "север"}, 2)


async def test_what_is_not_changed_is_not_sent(visitor: Browser, world: World) -> None:
    element = await world.registered()
    file = await world.file_on(element, tags=["a"], metadata={"b": 1})
    fields = form_of(file, tags="a", metadata='{"b": 1}')
    assert (await visitor.send(f"files/{file['file_id']}/edit", fields)).status_code == 303
    assert element.ask("GET", f"/api/v1/files/{file['file_id']}").json()["revision"] == 1


async def test_bad_metadata_stands_at_its_field_and_nothing_typed_is_lost(visitor: Browser, world: World) -> None:
    element = await world.registered()
    file = await world.file_on(element)
    for text in ("{", "[1]", "1"):
        answer = await visitor.send(
            f"files/{file['file_id']}/edit", form_of(file, description="долго писал", metadata=text)
        )
        assert answer.status_code == 400
        assert '<p id="metadata-hint" class="reason">must be a JSON object</p>' in answer.text
        assert "долго писал" in answer.text
    answer = await visitor.send(f"files/{file['file_id']}/edit", form_of(file, tags="x" * 101))
    assert answer.status_code == 400
    assert "x" * 101 in answer.text


async def test_who_comes_second_is_told_and_decides(visitor: Browser, world: World) -> None:
    element = await world.registered()
    file = await world.file_on(element)
    path = f"files/{file['file_id']}/edit"
    assert (await visitor.send(path, form_of(file, description="первый"))).status_code == 303
    answer = await visitor.send(path, form_of(file, description="второй"))
    assert answer.status_code == 412
    assert "Somebody changed this file" in answer.text
    assert ">второй</textarea>" in answer.text
    assert "<pre>первый</pre>" in answer.text
    assert 'name="revision" value="2"' in answer.text
    assert (await visitor.send(path, form_of(file, description="второй", revision="2"))).status_code == 303
    assert element.ask("GET", f"/api/v1/files/{file['file_id']}").json()["description"] == "второй"


async def test_what_a_mode_does_not_allow_is_said_beforehand(visitor: Browser, world: World) -> None:
    element = await world.registered(mode=Mode.RO)
    # It came here before the mode was changed.
    other = await world.registered("se-new-2")
    file = await world.file_on(other)
    await world.register_file(element, {**file, "file_id": str(new_id())})
    listed = (await world.ask("GET", f"/api/v1/registry/files?storage_element_id={element.storage_id}")).json()
    path = f"files/{listed['items'][0]['file_id']}"
    assert "nothing about its files can be changed" in await visitor.page(f"{path}/edit")
    page = await visitor.page(f"{path}/delete")
    assert "Files can be deleted in mode edit alone." in page
    assert "Delete the file" not in page


async def test_a_file_is_deleted_after_a_question(visitor: Browser, world: World) -> None:
    element = await world.registered()
    file = await world.file_on(element)
    path = f"files/{file['file_id']}"
    assert "it cannot be brought back" in await visitor.page(f"{path}/delete")
    answer = await visitor.send(f"{path}/delete", {"revision": "1"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/files")
    assert element.ask("GET", f"/api/v1/files/{file['file_id']}").status_code == 404
    page = await visitor.page(path)
    assert "This is what the registry remembers of it." in page
    assert f"{path}/delete" not in page
    assert f"{path}/download" not in page


async def test_a_file_that_changed_since_is_not_deleted(visitor: Browser, world: World) -> None:
    element = await world.registered()
    file = await world.file_on(element)
    element.ask("PATCH", f"/api/v1/files/{file['file_id']}", json={"description": "важное"})
    answer = await visitor.send(f"files/{file['file_id']}/delete", {"revision": "1"})
    assert answer.status_code == 412
    assert 'name="revision" value="2"' in answer.text
    assert element.ask("GET", f"/api/v1/files/{file['file_id']}").status_code == 200


async def test_an_element_that_does_not_delete_has_the_last_word(visitor: Browser, world: World) -> None:
    element = await world.registered(mode=Mode.RW)
    file = await world.file_on(element)
    answer = await visitor.send(f"files/{file['file_id']}/delete", {"revision": "1"}, form="password")
    assert answer.status_code == 409
    assert "MODE_NOT_ALLOWED" in answer.text


async def test_a_reader_sees_all_and_changes_nothing(reader: Browser, world: World, upstream: StandIn) -> None:
    element = await world.registered()
    file = await world.file_on(element)
    path = f"files/{file['file_id']}"
    upstream.answer = search_answer(found_file())
    assert "files/upload" not in await reader.page("files")
    page = await reader.page(path)
    assert "Both say the same." in page
    assert f"{path}/download" in page
    for action in ("edit", "delete"):
        assert f"{path}/{action}" not in page
        # Refused by the API, whoever sends the form.
        answer = await reader.send(f"{path}/{action}", form_of(file, description="x"), form="password")
        assert answer.status_code == 403
        assert "admin:write" in answer.text
    assert element.ask("GET", f"/api/v1/files/{file['file_id']}").json()["revision"] == 1
    assert "Your role reads and changes nothing" in await reader.page("files/upload")
    token = (await reader.send("files/upload-token", form="password")).json()["access_token"]
    assert jwt.decode(token, options={"verify_signature": False})["scope"] == ""


async def test_in_russian(visitor: Browser, world: World, upstream: StandIn) -> None:
    visitor.http.headers["accept-language"] = "ru"
    upstream.answer = search_answer(found_file(), total=3)
    page = await visitor.page("files")
    assert "3 файла" in page
    assert "5 МиБ" in page
    assert "Перетащите сюда" in await visitor.page("files/upload")
    file = await world.file_on(await world.registered())
    assert "Расхождений нет." in await visitor.page(f"files/{file['file_id']}")
