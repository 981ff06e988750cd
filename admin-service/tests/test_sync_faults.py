"""Syncs that are cut off, lied to, or overtaken: nothing that lives is marked deleted, and the next sync is right."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import pytest
from admin_service.audit.log import SYSTEM
from admin_service.registry.elements import ElementUnreachable
from admin_service.registry.sync import Wanted
from admin_service.registry.syncs import SyncKind, SyncReason, SyncStatus
from artstore_core.ids import new_id
from artstore_testing.postgres import Database
from artstore_testing.tokens import TokenIssuer
from sync_elements import Hooked, RealElement, SmallPages, new_file, no_hook
from sync_support import PAGE, Registry, hook, is_right, made, registry_on

T = TypeVar("T")


@pytest.fixture
async def registry(migrated: Database) -> AsyncIterator[Registry]:
    async with registry_on(migrated) as made:
        yield made


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("name", ["files", "changes"])
async def test_element_that_cannot_answer_now_loses_nothing(registry: Registry, name: str, number: int) -> None:
    element, ids = await made(registry, 12)
    del element.files[ids[0]], element.feed[ids[0]]
    await element.delete(ids[5])
    await element.purge()

    async def unmounted(asked: str, count: int) -> None:
        if name == "changes" and asked == "files" and count == 2:
            for extra in range(11):
                await element.put(new_id(), new_file(extra))
        if (asked, count) == (name, number):
            raise ElementUnreachable("it says that it cannot work now")

    hook(registry, element, unmounted)
    sync = await registry.sync(element.storage_id, full=True)
    assert (sync.status, sync.files_deleted) == (SyncStatus.FAILED, 0)
    assert sync.error == "it says that it cannot work now"
    assert await registry.rows(element.storage_id, deleted=True) == {}
    assert await registry.run("SELECT * FROM sync_absent") == []
    await is_right(registry, element, full=True)


def cut_page(content: bytes) -> bytes:
    return content[: len(content) // 2]


def end_early(content: bytes) -> bytes:
    page = json.loads(content)
    return json.dumps(page | {"items": page["items"][:1], "has_more": False}).encode()


def leave_one_out(content: bytes) -> bytes:
    page = json.loads(content)
    return json.dumps(page | {"items": page["items"][1:]}).encode()


def out_of_order(content: bytes) -> bytes:
    page = json.loads(content)
    return json.dumps(page | {"items": page["items"][::-1]}).encode()


def empty(content: bytes) -> bytes:
    return json.dumps(json.loads(content) | {"items": [], "has_more": True}).encode()


def no_id(content: bytes) -> bytes:
    page = json.loads(content)
    del page["items"][0]["file_id"]
    return json.dumps(page).encode()


LIES = [cut_page, end_early, leave_one_out, out_of_order, empty, no_id]


@pytest.mark.parametrize("lie", LIES, ids=[lie.__name__ for lie in LIES])
@pytest.mark.parametrize("page", [0, 1, 2])
async def test_list_that_cannot_be_whole_marks_nothing(
    registry: Registry, lie: Callable[[bytes], bytes], page: int
) -> None:
    element, ids = await made(registry)
    del element.files[ids[9]], element.feed[ids[9]]
    hook(
        registry, element, no_hook, lambda name, number, said: lie(said) if (name, number) == ("files", page) else said
    )
    sync = await registry.sync(element.storage_id, full=True)
    assert (sync.status, sync.files_deleted) == (SyncStatus.FAILED, 0)
    assert await registry.rows(element.storage_id, deleted=True) == {}
    await is_right(registry, element, full=True)


@pytest.mark.parametrize("lie", [cut_page, empty], ids=["cut_page", "empty"])
async def test_changes_that_break_off_are_gone_on_with(registry: Registry, lie: Callable[[bytes], bytes]) -> None:
    element, ids = await made(registry)
    for file_id in ids:
        await element.patch(file_id, {"description": "new"})
    hook(registry, element, no_hook, lambda name, number, said: lie(said) if (name, number) == ("changes", 1) else said)
    sync = await registry.sync(element.storage_id)
    assert (sync.status, sync.files_updated) == (SyncStatus.FAILED, PAGE)
    assert (await registry.element(element.storage_id)).synced_sequence == len(ids) + PAGE
    registry.lists[element.storage_id] = element.lists
    assert (await registry.sync(element.storage_id)).files_read == len(ids) - PAGE
    assert await registry.rows(element.storage_id) == await element.truth()


async def test_new_epoch_in_the_middle_of_changes_means_a_walk(registry: Registry) -> None:
    element, ids = await made(registry)
    for file_id in ids:
        await element.patch(file_id, {"description": "new"})

    async def rebuilt(name: str, number: int) -> None:
        if (name, number) == ("changes", 1):
            await element.new_epoch()

    hook(registry, element, rebuilt)
    sync = await registry.sync(element.storage_id)
    assert (sync.status, sync.kind) == (SyncStatus.SUCCEEDED, SyncKind.FULL)
    assert await registry.rows(element.storage_id) == await element.truth()


@pytest.mark.parametrize("page", range(4))
async def test_new_epoch_in_the_middle_of_a_walk_marks_nothing(registry: Registry, page: int) -> None:
    element, ids = await made(registry, 12)
    del element.files[ids[0]], element.feed[ids[0]]

    async def rebuilt(name: str, number: int) -> None:
        if (name, number) == ("files", page):
            await element.new_epoch()

    hook(registry, element, rebuilt)
    sync = await registry.sync(element.storage_id, full=True)
    assert (sync.status, sync.files_deleted) == (SyncStatus.FAILED, 0)
    await is_right(registry, element)


@pytest.mark.parametrize("page", range(4))
@pytest.mark.parametrize("in_the_feed", [True, False], ids=["fed", "not fed"])
async def test_file_that_is_uploaded_during_the_walk_is_not_marked(
    registry: Registry, page: int, in_the_feed: bool
) -> None:
    """Its id is older than the walk: it was made when the upload began."""
    early = [new_id() for _ in range(2)]
    element, ids = await made(registry, 12)
    early += [new_id(), ids[4]]
    gone = element.files.pop(ids[4]), element.feed.pop(ids[4])
    assert gone

    async def upload(name: str, number: int) -> None:
        if (name, number) == ("files", page):
            for file_id in early:
                await element.put(file_id, new_file(1))
                await registry.register(element, file_id)
            if not in_the_feed:  # acknowledged, and not in its place yet: neither list has it
                for file_id in early:
                    del element.files[file_id], element.feed[file_id]

    hook(registry, element, upload)
    sync = await registry.sync(element.storage_id, full=True)
    assert (sync.status, sync.files_deleted) == (SyncStatus.SUCCEEDED, 0)
    assert set(early) <= set(await registry.rows(element.storage_id))


@pytest.mark.parametrize("step", [("files", 0), ("files", 1), ("files", 3), ("changes", 0)], ids=str)
@pytest.mark.parametrize("marked", [True, False], ids=["and marked", "and not marked"])
async def test_file_that_is_deleted_during_the_walk_is_deleted(
    registry: Registry, step: tuple[str, int], marked: bool
) -> None:
    element, ids = await made(registry)

    async def delete(name: str, number: int) -> None:
        if (name, number) == step:
            for file_id in (ids[0], ids[5], ids[9]):
                await element.delete(file_id)
                if marked:
                    await registry.run(
                        "UPDATE files SET status = 'deleted', updated_at = now() WHERE file_id = $1", file_id
                    )

    hook(registry, element, delete)
    sync = await registry.sync(element.storage_id, full=True)
    assert sync.status is SyncStatus.SUCCEEDED
    assert await registry.rows(element.storage_id) == await element.truth()
    assert len(await registry.rows(element.storage_id, deleted=True)) == 3


async def test_page_that_is_overtaken_brings_nothing_back(registry: Registry) -> None:
    """A file is deleted, and its row marked by who asked for it, while a page that still has it is under way."""
    element, ids = await made(registry)
    await element.patch(ids[0], {"description": "new"})
    await registry.sync(element.storage_id)
    await element.patch(ids[0], {"description": "newer"})
    answered, go_on = asyncio.Event(), asyncio.Event()

    class Slow(SmallPages):
        async def changes(self, after: int, epoch: UUID | None, limit: int) -> bytes:
            content = await super().changes(after, epoch, limit)
            answered.set()
            await go_on.wait()
            return content

    registry.lists[element.storage_id] = Slow(element.lists, 1000)
    task = await registry.begin(element.storage_id)
    await answered.wait()
    await registry.register(element, ids[0])
    await registry.run("UPDATE files SET status = 'deleted', updated_at = now() WHERE file_id = $1", ids[0])
    await element.delete(ids[0])
    go_on.set()
    await task
    assert ids[0] not in await registry.rows(element.storage_id)


async def test_one_sync_at_a_time_across_replicas(registry: Registry, migrated: Database) -> None:
    element, _ = await made(registry)
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def wait(name: str, _number: int) -> None:
        if name == "files":
            reached.set()
            await go_on.wait()

    hook(registry, element, wait)
    first = await registry.begin(element.storage_id, full=True)
    await reached.wait()
    async with registry_on(migrated) as other:
        other.lists[element.storage_id] = element.lists
        for replica in (registry, other):
            begun = await replica.syncs.begin(element.storage_id, _wanted())
            assert begun.task is None
            assert begun.sync.status is SyncStatus.RUNNING
        waiting = asyncio.create_task(other.syncs.begin(element.storage_id, _wanted(), wait=True))
        go_on.set()
        ended = await first
        second = await waiting
        assert second.task is not None
        assert (await second.task).started_at >= (ended.ended_at or ended.started_at)
    assert [sync.status for sync in await registry.history(element.storage_id)][:2] == [SyncStatus.SUCCEEDED] * 2


async def test_sync_that_lost_its_lock_writes_nothing_more(registry: Registry, migrated: Database) -> None:
    element, ids = await made(registry)
    del element.files[ids[0]], element.feed[ids[0]]
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def wait(name: str, number: int) -> None:
        if (name, number) == ("files", 2):
            reached.set()
            await go_on.wait()

    hook(registry, element, wait)
    first = await registry.begin(element.storage_id, full=True)
    await reached.wait()
    await registry.run("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'", role="postgres")
    async with registry_on(migrated) as other:
        other.lists[element.storage_id] = element.lists
        second = await (await other.syncs.begin(element.storage_id, _wanted(full=True), wait=True)).task  # type: ignore[misc]
        assert second.status is SyncStatus.SUCCEEDED
        go_on.set()
        with pytest.raises(Exception, match="cannot be reached"):
            await first
    history = await registry.history(element.storage_id)
    assert [sync.status for sync in history[:2]] == [SyncStatus.SUCCEEDED, SyncStatus.INTERRUPTED]
    await is_right(registry, element)


async def test_element_that_is_removed_meanwhile_leaves_nothing(registry: Registry) -> None:
    element, _ = await made(registry)

    async def remove(name: str, number: int) -> None:
        if (name, number) == ("files", 2):
            # At one instant: the page before this one may be being written.
            await registry.run("DO $$ BEGIN LOCK TABLE files; DELETE FROM files; DELETE FROM storage_elements; END $$")

    for _ in range(20):
        await element.put(new_id(), new_file(1))
    hook(registry, element, remove)
    task = await registry.begin(element.storage_id, full=True)
    with pytest.raises(Exception, match=r"removed|no such"):
        await task
    assert await registry.run("SELECT * FROM files") == []


async def test_disk_that_is_unmounted_during_the_walk_deletes_nothing(
    registry: Registry, tmp_path: Path, issuer: TokenIssuer, ca_file: Path
) -> None:
    element = await RealElement(tmp_path / "root", issuer, ca_file).start()
    try:
        await registry.add(element)
        for number in range(10):
            await element.put(new_id(), new_file(number))
        await registry.sync(element.storage_id)

        async def unmount(name: str, number: int) -> None:
            if (name, number) == ("files", 2):
                await element.lose_disk()

        registry.lists[element.storage_id] = Hooked(SmallPages(element.lists, PAGE), unmount)
        sync = await registry.sync(element.storage_id, full=True)
        assert (sync.status, sync.files_deleted) == (SyncStatus.FAILED, 0)
        await element.find_disk()
        registry.lists[element.storage_id] = element.lists
        assert (await registry.sync(element.storage_id, full=True)).status is SyncStatus.SUCCEEDED
        assert await registry.rows(element.storage_id) == await element.truth()
        assert await registry.rows(element.storage_id, deleted=True) == {}
    finally:
        await element.stop()


def _wanted(*, full: bool = False) -> Wanted:
    return Wanted(SyncReason.SCHEDULE, SYSTEM, full=full)
