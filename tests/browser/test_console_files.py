"""Files in the console: uploaded, found, looked at, changed, deleted; and what a file can do there (requirements C3, C6)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from console_people import LONG_NAME, People
from console_visitor import Visitor, Visitors
from renditions_seen import await_previews
from world import World, pdf, sha256, within

pytestmark = pytest.mark.e2e
BIG = 9 * 1024 * 1024
"""Bytes."""
RUNS = "<script>document.title = 'ran'</script>"


@pytest.fixture
def admin(visitors: Visitors, people: People) -> Iterator[Visitor]:
    with visitors.window(people.admin) as visitor:
        yield visitor
        assert visitor.heard.taken() == []


def test_uploaded_from_the_page(admin: Visitor, world: World, tmp_path: Path) -> None:
    """A large one, an empty one, and one whose name is no HTML."""
    contents = {
        "большой файл.bin": bytes(range(256)) * (BIG // 256),
        "<img src=x onerror=alert(1)>.txt": b"text",
        "a.txt": b"a",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    admin.open("files/upload")
    admin.page.locator("#choose-files").set_input_files([tmp_path / name for name in contents])
    for name, content in contents.items():
        file_id = uploaded(admin, name)
        assert sha256(world.download(file_id).content) == sha256(content)


def uploaded(visitor: Visitor, name: str) -> str:
    """Its id, once the page says that it is there."""
    row = visitor.page.locator("#upload-list li", has_text=name)
    row.locator(".state", has_text="done").wait_for()
    return str(row.locator("a.name").get_attribute("href")).rpartition("/")[2]


def test_an_upload_that_was_cut_goes_on_where_it_was(admin: Visitor, world: World, tmp_path: Path) -> None:
    """Paused, and then the page is closed: the same file chosen once more begins no other upload."""
    path = tmp_path / "прерванный файл.bin"
    path.write_bytes(bytes(range(251)) * (BIG // 251))
    begun: list[str] = []
    line = admin.context.new_cdp_session(admin.page)
    admin.page.on("request", lambda request: begun.append(request.url) if request.url.endswith("/uploads") else None)
    admin.open("files/upload")
    line.send("Network.enable")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 2 * 1024 * 1024}
    line.send("Network.emulateNetworkConditions", slow)
    admin.page.locator("#choose-files").set_input_files(path)
    row = admin.page.locator("#upload-list li", has_text=path.name)
    row.locator("progress").first.wait_for()
    within(20, lambda: float(row.locator("progress").evaluate("(one) => one.value")) > 0.2, "a part of it is there")
    row.locator(".pause").click()
    row.locator(".state", has_text="paused").wait_for()
    line.send("Network.emulateNetworkConditions", {**slow, "uploadThroughput": -1})
    admin.page.reload()
    assert path.name in admin.page.locator("#upload-left").inner_text()
    admin.page.locator("#choose-files").set_input_files(path)
    assert sha256(world.download(uploaded(admin, path.name)).content) == sha256(path.read_bytes())
    assert len([url for url in begun if url]) == 1


def test_a_folder_dropped_on_the_page(admin: Visitor, world: World, tmp_path: Path) -> None:
    folder = tmp_path / "Папка" / "внутри"
    folder.mkdir(parents=True)
    for name in ("упало-1.txt", "упало-2.txt"):
        (folder / name).write_text(name)
    admin.open("files/upload")
    box = admin.page.locator("#drop").bounding_box()
    assert box is not None
    mouse = admin.context.new_cdp_session(admin.page)
    carried = {"items": [], "files": [str(folder.parent)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + 20}
        mouse.send("Input.dispatchDragEvent", {"type": kind, "data": carried, **at})
    for name in ("упало-1.txt", "упало-2.txt"):
        file_id = uploaded(admin, name)
        assert world.download(file_id).content.decode() == name
    found = world.http.get(f"{world.gateway}/api/v1/files/{file_id}", headers=world.bearer()).json()
    assert found["metadata"] == {"folder": "Папка/внутри"}


def test_found_as_one_types_and_the_address_can_be_sent_to_somebody(
    admin: Visitor, visitors: Visitors, people: People
) -> None:
    people.file(LONG_NAME)
    admin.open("files")
    box = admin.page.locator("#query")
    box.press_sequentially("комбината", delay=5)
    admin.page.wait_for_url("**query=*")
    row = admin.page.locator("#results tbody tr", has_text="целлюлозно-бумажного")
    row.first.wait_for()
    assert box.evaluate("(one) => one === document.activeElement")
    box.fill("нетакогослова")
    admin.shows("There are no such files")
    box.fill("комбината")
    row.first.wait_for()
    address = admin.path
    with visitors.window(people.reader) as other:
        other.open(address)
        assert other.page.locator("#query").input_value() == "комбината"
        other.page.locator("#results tbody tr", has_text="целлюлозно-бумажного").first.wait_for()


def test_looked_at_changed_and_deleted(admin: Visitor, visitors: Visitors, people: People, world: World) -> None:
    file = world.uploaded(
        pdf("Паспорт насоса", 2), "Паспорт насоса.pdf", tags='["насосы"]', ttl_days="30", retention_policy="temporary"
    )
    path = f"files/{file['file_id']}"
    people.made("render-jobs", {"file_id": file["file_id"]})
    await_previews(world, str(file["file_id"]), 60)
    admin.open(path)
    picture = admin.page.locator("main img").first
    picture.wait_for()
    assert picture.evaluate("async (one) => { await one.decode(); return one.naturalWidth; }") > 0
    for shown in ("Паспорт насоса.pdf", "насосы", str(file["checksum"])[:16]):
        assert shown in admin.text

    with visitors.window(people.admin) as other:
        other.open(f"{path}/edit")
        admin.follow("/edit")
        admin.send("/edit", description="Первое описание")
        assert "Первое описание" in admin.text
        other.heard.expected.add(412)
        other.send("/edit", description="Второе описание")
        assert "Somebody changed this file" in other.text
        assert other.page.input_value("textarea[name=description]") == "Второе описание"
        assert people.got(f"registry/{path}")["description"] == "Первое описание"
        other.send("/edit")
    assert people.got(f"registry/{path}")["description"] == "Второе описание"

    admin.heard.expected.add(400)
    admin.open(f"{path}/edit")
    admin.send("/edit", metadata="{это не JSON")
    assert "must be a JSON object" in admin.text
    with admin.page.expect_download() as coming:
        admin.open(path)
        admin.page.locator("main a[href$='/download']").first.click()
    assert sha256(Path(coming.value.path()).read_bytes()) == file["checksum"]
    admin.follow("/delete")
    admin.send("/delete")
    assert admin.path == "files"
    assert people.got(f"registry/{path}")["status"] == "deleted"


def test_where_a_mode_does_not_allow_it_that_is_said_before(admin: Visitor, people: People) -> None:
    file = people.file(LONG_NAME)
    admin.open(f"files/{file['file_id']}/delete")
    assert people.got(f"registry/files/{file['file_id']}")["storage_element_id"] == "se-rw-1"
    assert admin.page.locator("form[method=post][action$='/delete'] button.danger").count() == 0


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("страница.html", f"<!doctype html>{RUNS}"),
        ("картинка.svg", f'<svg xmlns="http://www.w3.org/2000/svg">{RUNS}</svg>'),
        ("текст.txt", RUNS),
        ("данные.xml", f'<x:html xmlns:x="http://www.w3.org/1999/xhtml">{RUNS.replace("script", "x:script")}</x:html>'),
    ],
)
def test_a_file_never_runs(admin: Visitor, world: World, name: str, content: str) -> None:
    """Not on its page, and not where its link leads."""
    file = world.uploaded(content.encode(), name)
    admin.open(f"files/{file['file_id']}")
    assert "ran" not in admin.page.title()
    answer = admin.context.request.get(admin.url(f"files/{file['file_id']}/download?inline=true"))
    kinds = (answer.headers["content-disposition"].partition(";")[0], answer.headers["content-type"].partition(";")[0])
    assert kinds[0] == "attachment" or kinds == ("inline", "text/plain")
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_pages_own_token_is_for_uploads_alone(visitors: Visitors, people: People, world: World) -> None:
    for username, status in ((people.admin, 403), (people.reader, 403)):
        with visitors.window(username) as visitor:
            visitor.open("password")
            answer = visitor.post("files/upload-token", {"csrf": visitor.csrf()})
            given = json.loads(answer.text())
            assert given["expires_in"] <= 300
            bearer = {"Authorization": f"Bearer {given['access_token']}"}
            for path in ("storage-elements", "service-accounts", "audit"):
                answered = world.http.get(f"{world.gateway}/api/v1/{path}", headers=bearer)
                assert answered.status_code == status
            if username == people.reader:
                refused = world.http.post(
                    f"{world.gateway}/api/v1/uploads",
                    headers={**bearer, "Tus-Resumable": "1.0.0", "Upload-Length": "1"},
                )
                assert refused.status_code == 403
