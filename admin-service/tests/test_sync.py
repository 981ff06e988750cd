"""Syncs: the registry has what the element has, and nothing is written that need not be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from admin_service.registry.syncs import AnswerTooLong, SyncKind, SyncReason, SyncStatus
from artstore_core.errors import NotFound
from artstore_core.ids import new_id
from artstore_testing.postgres import Database
from sync_elements import FakeElement, SmallPages, new_file
from sync_support import Registry, registry_on


@pytest.fixture
async def registry(migrated: Database) -> AsyncIterator[Registry]:
    async with registry_on(migrated) as made:
        yield made


async def followed(registry: Registry, count: int = 5) -> tuple[FakeElement, list[UUID]]:
    """An element with files, which the registry has."""
    element = FakeElement()
    await registry.add(element)
    ids = [new_id() for _ in range(count)]
    for number, file_id in enumerate(ids):
        await element.put(file_id, new_file(number))
    assert (await registry.sync(element.storage_id)).status is SyncStatus.SUCCEEDED
    return element, ids


async def test_first_sync_walks_all_files_and_keeps_every_column(registry: Registry) -> None:
    element, ids = await followed(registry, 25)
    assert await registry.rows(element.storage_id) == await element.truth()
    sync = (await registry.history(element.storage_id))[0]
    assert (sync.kind, sync.files_read, sync.files_added, sync.requests) == (SyncKind.FULL, 25, 25, 3)
    row = await registry.element(element.storage_id)
    assert (row.synced_epoch, row.synced_sequence) == (element.epoch, element.sequence)
    assert row.synced_at is not None
    assert len(ids) == 25


async def test_next_sync_follows_the_changes(registry: Registry) -> None:
    element, ids = await followed(registry)
    await element.patch(ids[0], {"description": "новое", "tags": ["a"]})
    await element.delete(ids[1])
    await element.delete(ids[2])
    await element.purge()
    await element.put(new_id(), new_file(99))
    sync = await registry.sync(element.storage_id)
    assert sync.kind is SyncKind.CHANGES
    assert (sync.files_added, sync.files_updated, sync.files_deleted, sync.requests) == (1, 1, 2, 2)
    assert await registry.rows(element.storage_id) == await element.truth()
    assert set(await registry.rows(element.storage_id, deleted=True)) == {ids[1], ids[2]}


async def test_nothing_new_is_nothing_written(registry: Registry) -> None:
    element, _ = await followed(registry)
    before = await registry.run("SELECT file_id, xmin, ctid, xmax FROM files ORDER BY file_id")
    events = await registry.run("SELECT count(*) FROM outbox WHERE kind LIKE 'file.%'")
    for full in (False, True):
        sync = await registry.sync(element.storage_id, full=full)
        assert sync.status is SyncStatus.SUCCEEDED
        assert (sync.files_added, sync.files_updated, sync.files_deleted) == (0, 0, 0)
    # Not even a lock was taken: that would be a write of each row's page.
    assert await registry.run("SELECT file_id, xmin, ctid, xmax FROM files ORDER BY file_id") == before
    assert await registry.run("SELECT count(*) FROM outbox WHERE kind LIKE 'file.%'") == events


async def test_walk_marks_what_the_element_has_no_more(registry: Registry) -> None:
    element, ids = await followed(registry)
    for file_id in ids[:2]:  # somebody took them from the disk, and no change tells of it
        del element.files[file_id], element.feed[file_id]
    assert (await registry.sync(element.storage_id)).files_deleted == 0
    sync = await registry.sync(element.storage_id, full=True)
    assert (sync.kind, sync.files_deleted) == (SyncKind.FULL, 2)
    assert set(await registry.rows(element.storage_id, deleted=True)) == set(ids[:2])
    kinds = await registry.run("SELECT kind FROM outbox WHERE subject = $1 ORDER BY id", str(ids[0]))
    assert [row["kind"] for row in kinds] == ["file.registered", "file.deleted"]
    assert await registry.run("SELECT * FROM sync_absent") == []


async def test_file_that_comes_back_is_live_again(registry: Registry) -> None:
    element, ids = await followed(registry)
    kept = element.files.pop(ids[0]), element.feed.pop(ids[0])
    await registry.sync(element.storage_id, full=True)
    element.files[ids[0]], element.feed[ids[0]] = kept
    assert (await registry.sync(element.storage_id, full=True)).files_updated == 1
    assert await registry.rows(element.storage_id) == await element.truth()


@pytest.mark.parametrize("pages", [1, 2, 3, 100])
async def test_pages_of_any_size_make_the_same_registry(registry: Registry, pages: int) -> None:
    element, ids = await followed(registry, 7)
    registry.lists[element.storage_id] = SmallPages(element.lists, pages)
    for file_id in (ids[0], ids[3], ids[6]):
        del element.files[file_id], element.feed[file_id]
    await registry.sync(element.storage_id, full=True)
    assert await registry.rows(element.storage_id) == await element.truth()
    for file_id in (ids[1], ids[2], ids[5]):
        await element.delete(file_id)
    await registry.sync(element.storage_id)
    assert await registry.rows(element.storage_id) == await element.truth()


async def test_new_epoch_and_trimmed_feed_mean_a_walk(registry: Registry) -> None:
    element, ids = await followed(registry)
    await element.new_epoch()
    sync = await registry.sync(element.storage_id)
    assert (sync.status, sync.kind, sync.reason) == (SyncStatus.SUCCEEDED, SyncKind.FULL, SyncReason.SCHEDULE)
    element.trimmed = element.sequence + 1
    await element.delete(ids[0])
    await element.purge()
    sync = await registry.sync(element.storage_id)
    assert (sync.status, sync.kind, sync.files_deleted) == (SyncStatus.SUCCEEDED, SyncKind.FULL, 1)


async def test_element_that_was_set_back_is_walked(registry: Registry) -> None:
    element, ids = await followed(registry)
    await element.delete(ids[0])
    await registry.sync(element.storage_id)
    element.sequence = 3  # its disk was restored
    sync = await registry.sync(element.storage_id)
    assert (sync.kind, sync.reason) == (SyncKind.FULL, SyncReason.RESTORED)


async def test_restored_backup_is_caught_up_by_the_changes(registry: Registry) -> None:
    element, ids = await followed(registry)
    old = await registry.run("SELECT * FROM files")
    row = await registry.element(element.storage_id)
    await element.delete(ids[0])
    await element.patch(ids[1], {"tags": ["new"]})
    await element.put(new_id(), new_file(50))
    await registry.sync(element.storage_id)
    # The database as it was before: rows and position of one moment.
    await registry.run("DELETE FROM files")
    await registry.run(
        "UPDATE storage_elements SET synced_sequence = $1 WHERE synced_epoch IS NOT NULL", row.synced_sequence
    )
    for one in old:
        columns = ", ".join(f"${number}" for number in range(1, len(one) + 1))
        await registry.run(f"INSERT INTO files VALUES ({columns})", *one.values())
    sync = await registry.sync(element.storage_id)
    assert sync.kind is SyncKind.CHANGES
    assert await registry.rows(element.storage_id) == await element.truth()


async def test_emptied_registry_is_filled_by_a_walk(registry: Registry) -> None:
    element, _ = await followed(registry)
    await registry.run("UPDATE storage_elements SET used_bytes = 5 WHERE storage_id = $1", element.storage_id)
    await registry.run("DELETE FROM files")
    sync = await registry.sync(element.storage_id)
    assert (sync.kind, sync.reason) == (SyncKind.FULL, SyncReason.RESTORED)
    assert await registry.rows(element.storage_id) == await element.truth()


async def test_row_on_another_element_is_never_overwritten(registry: Registry) -> None:
    element, ids = await followed(registry)
    other = FakeElement("se-fake-2", "https://se-fake-2.test")
    await registry.add(other)
    for file_id in ids:
        other.set(file_id, element.files[file_id] | {"description": "a copy", "revision": 9})
    mine = new_id()
    await other.put(mine, new_file(1))
    sync = await registry.sync(other.storage_id)
    assert (sync.status, sync.conflicts, sync.files_added) == (SyncStatus.SUCCEEDED, 5, 1)
    assert {UUID(one["file_id"]) for one in sync.conflict_examples} == set(ids)
    assert {one["storage_element_id"] for one in sync.conflict_examples} == {element.storage_id}
    assert await registry.rows(element.storage_id) == await element.truth()
    assert set(await registry.rows(other.storage_id)) == {mine}
    # And what the other one has no more is nothing that the first one's rows hear of.
    for file_id in ids:
        del other.files[file_id], other.feed[file_id]
    await registry.sync(other.storage_id, full=True)
    assert await registry.rows(element.storage_id) == await element.truth()


async def test_conflicts_are_counted_and_only_a_hundred_named(registry: Registry) -> None:
    element, _ = await followed(registry, 130)
    other = FakeElement(
        "se-fake-2", "https://se-fake-2.test", files=dict(element.files), feed=dict(element.feed), sequence=130
    )
    await registry.add(other)
    registry.lists[other.storage_id] = SmallPages(other.lists, 60)
    sync = await registry.sync(other.storage_id)
    assert (sync.conflicts, len(sync.conflict_examples)) == (130, 100)


async def test_older_revision_is_ignored_and_equal_one_of_the_element_wins(registry: Registry) -> None:
    element, ids = await followed(registry, 2)
    await registry.run("UPDATE files SET revision = 5, description = 'newer' WHERE file_id = $1", ids[0])
    await registry.run("UPDATE files SET status = 'damaged' WHERE file_id = $1", ids[1])
    await registry.sync(element.storage_id, full=True)
    rows = await registry.rows(element.storage_id)
    assert (rows[ids[0]]["revision"], rows[ids[0]]["description"]) == (5, "newer")
    assert rows[ids[1]]["status"] == "active"


BAD = {
    "NUL": {"description": "a\0b"},
    "control character in the name": {"original_filename": "a\x01b"},
    "half a surrogate pair": {"metadata": {"a": "\ud800"}},
    "NUL in the metadata": {"metadata": {"a\0": 1}},
    "size beyond bigint": {"size": 2**63},
    "revision beyond integer": {"revision": 2**31},
    "no checksum": {"checksum": "none"},
    "number beyond numeric": {"metadata": {"n": "PLACE"}},
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
async def test_one_bad_file_is_named_and_stops_nobody(registry: Registry, bad: dict[str, object]) -> None:
    element, ids = await followed(registry, 40)
    late = [new_id() for _ in range(5)]
    for number, file_id in enumerate(late):
        await element.put(file_id, new_file(number))
    element.set(ids[3], element.files[ids[3]] | bad)
    registry.lists[element.storage_id] = Raw(element)
    for full in (False, True):
        sync = await registry.sync(element.storage_id, full=full)
        assert (sync.status, sync.files_refused, sync.files_deleted) == (SyncStatus.SUCCEEDED, 1, 0)
        assert sync.refused_examples[0]["file_id"] == str(ids[3])
        assert sync.refused_examples[0]["why"]
    assert set(await registry.rows(element.storage_id)) == {*ids, *late}


class Raw(SmallPages):
    """A number so long that PostgreSQL's numeric has no room for it stands in JSON as any other."""

    def __init__(self, element: FakeElement) -> None:
        super().__init__(element.lists, 1000)

    async def files(self, after: UUID | None, limit: int) -> bytes:
        return (await super().files(after, limit)).replace(b'"PLACE"', b"1" + b"0" * 4000 + b"e200000")

    async def changes(self, after: int, epoch: UUID | None, limit: int) -> bytes:
        return (await super().changes(after, epoch, limit)).replace(b'"PLACE"', b"1" + b"0" * 4000 + b"e200000")


async def test_nobody_syncs_what_is_not_there(registry: Registry) -> None:
    with pytest.raises(NotFound):
        await registry.begin("se-nowhere")


async def test_another_element_at_the_url_is_refused(registry: Registry) -> None:
    element, _ = await followed(registry)
    impostor = FakeElement("se-other", element.url)
    registry.lists[element.storage_id] = impostor.lists
    sync = await registry.sync(element.storage_id, full=True)
    assert (sync.status, sync.requests) == (SyncStatus.FAILED, 1)
    assert "se-other" in str(sync.error)
    assert await registry.rows(element.storage_id) == await element.truth()


async def test_old_history_goes(registry: Registry) -> None:
    element, _ = await followed(registry, 1)
    await registry.run(
        "INSERT INTO syncs (id, storage_id, kind, reason, status, requested_by, started_at, updated_at)"
        " SELECT gen_random_uuid(), $1, 'changes', 'schedule', 'succeeded', 'system', now() - interval '1 day', now()"
        " FROM generate_series(1, 1005)",
        element.storage_id,
    )
    await registry.sync(element.storage_id)
    assert len(await registry.history(element.storage_id)) == 1000


async def test_many_syncs_make_no_walk_due(registry: Registry) -> None:
    """An element where something happens all the time is followed every five minutes: 2,000 times between two walks."""
    element, _ = await followed(registry, 1)
    await registry.run(
        "UPDATE syncs SET started_at = started_at - interval '3 days', ended_at = ended_at - interval '3 days'"
    )
    await registry.run(
        "INSERT INTO syncs (id, storage_id, kind, reason, status, requested_by, started_at, updated_at)"
        " SELECT gen_random_uuid(), $1, 'changes', 'schedule', 'succeeded', 'system', now() - interval '1 day', now()"
        " FROM generate_series(1, 1005)",
        element.storage_id,
    )
    assert [(await registry.sync(element.storage_id)).kind for _ in range(3)] == [SyncKind.CHANGES] * 3
    assert len(await registry.run("SELECT FROM syncs")) == 1001
    await registry.run("UPDATE syncs SET ended_at = ended_at - interval '5 days' WHERE kind = 'full'")
    assert (await registry.sync(element.storage_id)).kind is SyncKind.FULL


async def test_long_answers_are_asked_for_in_smaller_pages(registry: Registry) -> None:
    element, _ = await followed(registry, 40)
    await registry.run("DELETE FROM files")
    shy = Shy(element, 300 * 8)
    registry.lists[element.storage_id] = shy
    sync = await registry.sync(element.storage_id, full=True)
    assert sync.status is SyncStatus.SUCCEEDED
    assert await registry.rows(element.storage_id) == await element.truth()
    shy.most = 10
    sync = await registry.sync(element.storage_id, full=True)
    assert (sync.status, sync.error) == (SyncStatus.FAILED, "what it says of a single file is too long")


class Shy(SmallPages):
    def __init__(self, element: FakeElement, most: int) -> None:
        super().__init__(element.lists, 1000)
        self.most = most

    async def files(self, after: UUID | None, limit: int) -> bytes:
        content = await super().files(after, limit)
        if len(content) > self.most:
            raise AnswerTooLong
        return content
