"""What clients do under load: each is one piece of work, whole, by the client library or by plain HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import re
import time
from collections.abc import Awaitable, Callable
from typing import Final

from artstore_client import AsyncArtStore, StoredFile
from mixed_load import KIB, MIB, TAG, Load
from typing_extensions import Buffer
from world import pdf

_CSRF: Final = re.compile(r'name="csrf"[^>]*value="([^"]+)"')
_SLOW_SECONDS: Final = 0.4
_RENDER_SECONDS: Final = 120.0
_PAGES: Final = ("/admin/", "/admin/files", "/admin/elements", "/admin/audit")

Work = Callable[[Load, str], Awaitable[None]]


class _Slowly(io.BytesIO):
    """Takes or gives a MiB, and takes its time: what is under way when a service stops."""

    def __init__(self, content: bytes = b"") -> None:
        super().__init__(content)
        self.hashed = hashlib.sha256()

    def read(self, size: int | None = -1, /) -> bytes:
        time.sleep(_SLOW_SECONDS)
        return super().read(size)

    def write(self, piece: Buffer, /) -> int:
        time.sleep(_SLOW_SECONDS)
        self.hashed.update(piece)
        return memoryview(piece).nbytes


def _content(load: Load, least: int, most: int) -> bytes:
    return os.urandom(load.chance.randrange(least, most))


async def _keep(load: Load, store: AsyncArtStore, content: bytes, source: io.BytesIO) -> StoredFile:
    name = f"нагрузка {len(load.stored)}.bin"
    file = await store.upload(
        source, filename=name, tags=[TAG], description="Под нагрузкой", retention_policy="permanent"
    )
    checksum = hashlib.sha256(content).hexdigest()
    assert file.checksum == checksum, "another checksum than what was sent"
    load.stored[str(file.file_id)] = checksum
    return file


async def upload_form(load: Load, kind: str) -> None:
    store = load.store(kind)
    content = _content(load, 1, 256 * KIB)
    await _keep(load, store, content, io.BytesIO(content))


async def upload_slowly(load: Load, kind: str) -> None:
    """One request that takes seconds."""
    store = load.store(kind)
    content = _content(load, 6 * MIB, 8 * MIB)
    await _keep(load, store, content, _Slowly(content))


async def upload_resumable(load: Load, kind: str) -> None:
    """tus 1.0: a stream of some chunks."""
    store = load.store(kind, resumable_from=MIB, chunk_bytes=MIB)
    content = _content(load, 3 * MIB, 5 * MIB)
    await _keep(load, store, content, io.BytesIO(content))


async def upload_parts(load: Load, kind: str) -> None:
    """Parts side by side, joined at the end."""
    path = load.directory / f"parts-{os.urandom(4).hex()}.bin"
    content = _content(load, 6 * MIB, 9 * MIB)
    await asyncio.to_thread(path.write_bytes, content)
    store = load.store(kind, resumable_from=MIB, parts_from=2 * MIB, chunk_bytes=MIB, parallel=3)
    file = await store.upload(path, tags=[TAG], retention_policy="permanent")
    assert file.checksum == hashlib.sha256(content).hexdigest()
    load.stored[str(file.file_id)] = file.checksum
    path.unlink()


async def download(load: Load, kind: str) -> None:
    """The client library checks the bytes against the checksum; here, that it is the file's own."""
    store = load.store(kind)
    file_id = load.a_stored_file()
    got = await store.download(file_id, io.BytesIO())
    assert got.checksum == load.stored[file_id], "not the bytes of this file"


async def download_slowly(load: Load, kind: str) -> None:
    store = load.store(kind)
    file_id = load.a_stored_file()
    target = _Slowly()
    await store.download(file_id, target)
    assert target.hashed.hexdigest() == load.stored[file_id], "not the bytes of this file"


async def search(load: Load, kind: str) -> None:
    store = load.store(kind)
    page = await store.search("нагрузка", mode="fulltext", limit=20)
    assert page.items, "nothing is found"


async def find_what_was_stored(load: Load, kind: str) -> None:
    """The same answer from every replica, as soon as an upload was acknowledged."""
    file_id = list(load.stored)[-1]
    answer = await load.ask(kind, "GET", f"/api/v1/files/{file_id}", headers=await load.bearer())
    assert answer.json()["checksum"] == load.stored[file_id]


async def open_link(load: Load, kind: str) -> None:
    file_id = load.a_stored_file()
    answer = await load.ask(kind, "POST", f"/api/v1/files/{file_id}/links", json={}, headers=await load.bearer())
    path = "/api/v1/links/download" + str(answer.json()["url"]).partition("/api/v1/links/download")[2]
    got = await load.ask(kind, "GET", path)
    assert hashlib.sha256(got.content).hexdigest() == load.stored[file_id], "not the bytes of this file"


async def new_token(load: Load, kind: str) -> None:
    """No client may ask for it twice: POST."""
    bearer = {"Authorization": f"Bearer {await load.new_token(kind)}"}
    await load.ask(kind, "GET", "/api/v1/auth/me", headers=bearer)


async def sign_in_to_console(load: Load, kind: str) -> None:
    """A sign-in and some pages, in a session that any replica knows."""
    load.http.cookies.clear()
    page = await load.ask(kind, "GET", "/admin/sign-in")
    found = _CSRF.search(page.text)
    assert found is not None, "the form has no token"
    form = {"username": load.console[0], "password": load.console[1], "csrf": found[1], "next": ""}
    await load.ask(kind, "POST", "/admin/sign-in", frozenset({303}), data=form)
    await look_at_console(load, kind)


async def look_at_console(load: Load, kind: str) -> None:
    for path in _PAGES:
        page = await load.ask(kind, "GET", path)
        assert "sign-out" in page.text, f"{path} does not know who looks"


async def preview(load: Load, kind: str) -> None:
    """A PDF, its job, and the pictures in the end."""
    content = pdf(f"Preview {os.urandom(4).hex()}", pages=1)
    store = load.store(kind)
    file = await _keep(load, store, content, io.BytesIO(content))
    bearer = await load.bearer()
    deadline = time.monotonic() + _RENDER_SECONDS
    while True:
        answer = await load.ask(kind, "GET", f"/api/v1/renditions/{file.file_id}", headers=bearer)
        if ready := [one for one in answer.json() if one["ready"]]:
            break
        assert time.monotonic() < deadline, f"no preview of {file.file_id} within {_RENDER_SECONDS:g} s"
        await asyncio.sleep(1.0)
    url = str(ready[0]["url"])
    got = await load.ask(kind, "GET", url[url.index("/api/") :])
    assert got.content


WORK: Final[dict[str, tuple[Work, float]]] = {
    "upload, form": (upload_form, 0.2),
    "upload, form, slow": (upload_slowly, 0.5),
    "upload, tus": (upload_resumable, 0.5),
    "upload, parts": (upload_parts, 1.0),
    "download": (download, 0.05),
    "download, slow": (download_slowly, 0.5),
    "search": (search, 0.1),
    "file by id": (find_what_was_stored, 0.1),
    "link": (open_link, 0.15),
    "token": (new_token, 0.2),
    "console": (look_at_console, 0.3),
    "preview": (preview, 1.0),
}
"""Each kind, and seconds between two of its pieces of work, about."""
