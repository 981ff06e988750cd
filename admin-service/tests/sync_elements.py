"""Elements that tests of syncs follow: a fake, the real one, and lists that something happens to."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid4

import httpx
from admin_service.clients.element import ElementClient
from admin_service.clients.info import InfoClient
from admin_service.clients.lists import Lists
from admin_service.clients.tokens import ElementTokens
from admin_service.identity.clock import system_clock
from admin_service.registry.elements import ElementUnreachable, new_element
from admin_service.registry.syncs import ElementLists, PositionGone
from artstore_auth.keys import KeySource
from artstore_core.elements import ElementInfo
from artstore_core.files import File
from artstore_core.modes import Mode
from artstore_core.scopes import Scope, element_audience
from artstore_testing.tokens import TokenIssuer
from artstore_tickets import encode_key
from asgi_lifespan import LifespanManager
from fastapi import FastAPI
from pydantic import SecretStr
from storage_element.config import Settings as ElementSettings
from storage_element.disk.filesystem import RealFileSystem
from storage_element.disk.root import DataRoot
from storage_element.main import build as build_element

COLUMNS = list(File.model_fields)
"""Every column of the registry that attr.json holds."""


def new_file(number: int, rng: random.Random | None = None) -> dict[str, Any]:
    """What an uploader says of a file, with all that a column may hold."""
    drawn = rng or random.Random(number)
    said: dict[str, Any] = {
        "original_filename": f"отчёт {number} «{drawn.randrange(99)}».pdf",
        "content_type": drawn.choice(["application/pdf", "text/plain; charset=utf-8"]),
        "uploaded_by": drawn.choice(["sa:sa_scanner_x7k2", "user:anna"]),
        "description": drawn.choice([None, "годовой\nотчёт", ""]),
        "tags": drawn.sample(["invoice", "north", "скан", 'quo"ted', "a,b", "{x}"], drawn.randrange(4)),
        "metadata": drawn.choice([{}, {"project": "north", "pages": [1, 2.5, None]}, {"ключ": {"a": "\\u00e9"}}]),
    }
    if drawn.random() < 0.3:
        said |= {"retention_policy": "temporary", "ttl_days": drawn.randrange(1, 300)}
    return said


class AnElement(Protocol):
    """An element as a test drives it, and as its lists are asked."""

    storage_id: str
    url: str

    @property
    def lists(self) -> ElementLists: ...

    async def put(self, file_id: UUID, said: dict[str, Any], data: bytes = b"x") -> None: ...
    async def patch(self, file_id: UUID, change: dict[str, Any]) -> None: ...
    async def delete(self, file_id: UUID) -> None: ...
    async def purge(self) -> None:
        """What was deleted is gone for good."""
        ...

    async def new_epoch(self) -> None:
        """The index is made anew."""
        ...

    async def lose_disk(self) -> None: ...
    async def find_disk(self) -> None: ...
    async def restart(self) -> None: ...
    async def truth(self) -> dict[UUID, dict[str, Any]]:
        """All files that are not deleted, as JSON says them."""
        ...


@dataclass
class FakeElement:
    """Behaves as the contract (test_element_contract) says, in memory."""

    storage_id: str = "se-fake-1"
    url: str = "https://se-fake-1.test"
    files: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    feed: dict[UUID, int] = field(default_factory=dict)
    gone: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    sequence: int = 0
    trimmed: int = 0
    epoch: UUID = field(default_factory=uuid4)
    away: bool = False

    @property
    def lists(self) -> ElementLists:
        return FakeLists(self)

    async def put(self, file_id: UUID, said: dict[str, Any], data: bytes = b"x") -> None:
        ttl = said.get("ttl_days")
        now = datetime.now(UTC)
        file = File.model_validate(
            {"file_id": file_id, "size": len(data), "checksum": hashlib.sha256(data).hexdigest(), "uploaded_at": now}
            | {"expires_at": now + timedelta(days=ttl) if ttl else None, "retention_policy": "permanent"}
            | said
        )
        self.set(file_id, file.model_dump(mode="json"))

    async def patch(self, file_id: UUID, change: dict[str, Any]) -> None:
        there = self.files[file_id]
        self.set(file_id, there | change | {"revision": there["revision"] + 1})

    async def delete(self, file_id: UUID) -> None:
        await self.patch(file_id, {"status": "deleted"})

    def set(self, file_id: UUID, file: dict[str, Any]) -> None:
        self.sequence += 1
        self.files[file_id], self.feed[file_id] = file, self.sequence

    async def purge(self) -> None:
        for file_id, file in list(self.files.items()):
            if file["status"] == "deleted":
                self.sequence += 1
                self.gone[file_id], self.feed[file_id] = self.files.pop(file_id), self.sequence

    async def new_epoch(self) -> None:
        self.epoch, self.gone, self.trimmed = uuid4(), {}, 0
        self.feed = {file_id: number for number, file_id in enumerate(self.files, 1)}
        self.sequence = len(self.files)

    async def lose_disk(self) -> None:
        self.away = True

    async def find_disk(self) -> None:
        self.away = False

    async def restart(self) -> None:
        """Nothing is lost."""

    async def truth(self) -> dict[UUID, dict[str, Any]]:
        return {file_id: file for file_id, file in self.files.items() if file["status"] != "deleted"}


class FakeLists:
    def __init__(self, element: FakeElement) -> None:
        self._element = element

    async def info(self) -> ElementInfo:
        element = self._there()
        return ElementInfo.model_validate(
            {"storage_id": element.storage_id, "mode": "edit", "version": "1", "capacity_bytes": 1, "used_bytes": 0}
            | {"available_bytes": 1, "allowed_operations": [], "epoch": element.epoch, "sequence": element.sequence}
        )

    async def files(self, after: UUID | None, limit: int) -> bytes:
        element = self._there()
        ids = sorted(file_id for file_id in element.files if after is None or file_id > after)
        items = [element.files[file_id] for file_id in ids[:limit]]
        page = {"items": items, "total": len(element.files), "limit": limit, "offset": 0, "has_more": len(ids) > limit}
        return json.dumps(page).encode()

    async def changes(self, after: int, epoch: UUID | None, limit: int) -> bytes:
        element = self._there()
        if epoch not in (None, element.epoch) or not element.trimmed <= after <= element.sequence:
            raise PositionGone
        known = element.gone | element.files
        found = sorted((number, file_id) for file_id, number in element.feed.items() if number > after)
        items = [{"sequence": number, "file": known[file_id]} for number, file_id in found[:limit]]
        page = {
            "epoch": str(element.epoch),
            "items": items,
            "sequence": element.sequence,
            "has_more": len(found) > limit,
        }
        return json.dumps(page).encode()

    def _there(self) -> FakeElement:
        if self._element.away:
            raise ElementUnreachable("it says that it cannot work now")
        return self._element


class TestTokens(ElementTokens):
    """Signed by the test's issuer, whose keys the elements of tests know."""

    __test__ = False

    def __init__(self, issuer: TokenIssuer) -> None:
        self._test_issuer = issuer

    async def token(self, storage_id: str, scope: Scope) -> str:
        return self._test_issuer.token([scope], audience=element_audience(storage_id))

    def forget(self, storage_id: str, scope: Scope, token: str) -> None:
        """None is kept."""


class RealElement:
    """The storage element itself, in this process, on a real directory; between `start` and `stop`."""

    def __init__(self, root: Path, issuer: TokenIssuer, ca_file: Path, storage_id: str = "se-real-1") -> None:
        self.storage_id, self.url = storage_id, f"https://{storage_id}.test"
        self._root, self._issuer, self._ca_file = root, issuer, ca_file
        DataRoot(root, RealFileSystem(), storage_id, lambda *_: None).initialise(Mode.EDIT, datetime.now(UTC))

    def make(self, keys: KeySource) -> FastAPI:
        """The app, for whoever serves it."""
        settings = ElementSettings(
            storage_id=self.storage_id,
            data_dir=self._root,
            tls_cert_file=self._root / "unused.crt",
            tls_key_file=self._root / "unused.key",
            ticket_key=SecretStr(encode_key(bytes(32))),
            issuer=self._issuer.issuer,
            jwks_url="https://unused.test/jwks.json",
            ca_file=self._ca_file,
            marker_check_seconds=0.02,
            reopen_seconds=0,
        )
        return build_element(settings, keys=keys)

    async def start(self) -> RealElement:
        self.app = self.make(self._issuer.keys)
        self._life = LifespanManager(self.app, shutdown_timeout=30)
        await self._life.__aenter__()
        await asyncio.wait_for(self.app.state.element.opened.wait(), 30)
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app, raise_app_exceptions=False))
        client = ElementClient(self._http, TestTokens(self._issuer), jitter=lambda: 0)
        element = new_element(self.storage_id, self.url, system_clock())
        self.lists: ElementLists = Lists(client, InfoClient(self._http, at_once=8), element)
        return self

    async def stop(self) -> None:
        await self._http.aclose()
        await self._life.__aexit__(None, None, None)

    async def put(self, file_id: UUID, said: dict[str, Any], data: bytes = b"x") -> None:
        header = base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=").decode()
        await self._ask("PUT", f"/api/v1/files/{file_id}", content=data, headers={"Artstore-Metadata": header})

    async def patch(self, file_id: UUID, change: dict[str, Any]) -> None:
        await self._ask("PATCH", f"/api/v1/files/{file_id}", json=change)

    async def delete(self, file_id: UUID) -> None:
        await self._ask("DELETE", f"/api/v1/files/{file_id}")

    async def purge(self) -> None:
        await self.app.state.upkeep.gc.once()

    async def new_epoch(self) -> None:
        await self.stop()
        for path in self._root.glob("index.sqlite*"):
            path.unlink()
        await self.start()

    async def lose_disk(self) -> None:
        (self._root / "artstore-element.json").rename(self._root / "away.json")

    async def find_disk(self) -> None:
        (self._root / "away.json").rename(self._root / "artstore-element.json")
        await asyncio.wait_for(self.app.state.element.opened.wait(), 30)

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def truth(self) -> dict[UUID, dict[str, Any]]:
        found: dict[UUID, dict[str, Any]] = {}
        after: UUID | None = None
        while True:
            page = json.loads(await self.lists.files(after, 1000))
            found |= {UUID(item["file_id"]): item for item in page["items"] if item["status"] != "deleted"}
            if not page["has_more"]:
                return found
            after = UUID(page["items"][-1]["file_id"])

    async def _ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, **given: Any) -> None:
        bearer = self._issuer.bearer(tuple(Scope), audience=element_audience(self.storage_id))
        answer = await self._http.request(method, self.url + path, headers=bearer | dict(headers or {}), **given)
        assert answer.is_success, answer.text


Hook = Callable[[str, int], Awaitable[None]]
"""Before an answer is given: which list, and how many were asked for before."""


class Hooked:
    """Lists with a hook: for what happens in the middle of a sync. `mend` may change what comes back."""

    def __init__(self, lists: ElementLists, hook: Hook, mend: Callable[[str, int, bytes], bytes] | None = None) -> None:
        self._lists, self._hook, self._mend = lists, hook, mend
        self.asked: list[str] = []

    async def info(self) -> ElementInfo:
        await self._before("info")
        return await self._lists.info()

    async def files(self, after: UUID | None, limit: int) -> bytes:
        number = await self._before("files")
        return self._after("files", number, await self._lists.files(after, limit))

    async def changes(self, after: int, epoch: UUID | None, limit: int) -> bytes:
        number = await self._before("changes")
        return self._after("changes", number, await self._lists.changes(after, epoch, limit))

    async def _before(self, name: str) -> int:
        number = self.asked.count(name)
        self.asked.append(name)
        await self._hook(name, number)
        return number

    def _after(self, name: str, number: int, content: bytes) -> bytes:
        return content if self._mend is None else self._mend(name, number, content)


async def no_hook(_name: str, _number: int) -> None:
    """Nothing happens."""


class SmallPages:
    """Lists in pages of `size`, so that few files make many pages."""

    def __init__(self, lists: ElementLists, size: int) -> None:
        self._lists, self._size = lists, size
        self.info = lists.info

    async def files(self, after: UUID | None, limit: int) -> bytes:
        return await self._lists.files(after, min(limit, self._size))

    async def changes(self, after: int, epoch: UUID | None, limit: int) -> bytes:
        return await self._lists.changes(after, epoch, min(limit, self._size))
