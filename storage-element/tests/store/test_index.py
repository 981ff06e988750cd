"""The index keeps the order of ids, whatever the order of arrival."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from artstore_core.files import File, FileStatus
from artstore_core.retention import RetentionPolicy
from hypothesis import given
from hypothesis import strategies as st
from storage_element.store.index import MemoryIndex

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def file_of(file_id: UUID, size: int = 1, expires_at: datetime | None = None, **changes: object) -> File:
    return File(
        file_id=file_id,
        original_filename="a",
        content_type="text/plain",
        size=size,
        checksum="0" * 64,
        uploaded_by="sa:x",
        uploaded_at=NOW,
        retention_policy=RetentionPolicy.PERMANENT,
        expires_at=expires_at,
    ).model_copy(update=changes)


def walk(index: MemoryIndex, limit: int, status: FileStatus | None = None) -> list[UUID]:
    seen: list[UUID] = []
    after, more = None, True
    while more:
        items, _, more = index.page(limit=limit, offset=0, after=after, status=status, now=NOW)
        seen += [file.file_id for file in items]
        after = seen[-1] if seen else None
    return seen


@given(ids=st.lists(st.uuids(), max_size=30), limit=st.integers(1, 7))
def test_pages_by_key_and_by_offset_hold_everything_once(ids: list[UUID], limit: int) -> None:
    index = MemoryIndex()
    for file_id in ids:
        index.add(file_of(file_id))
    expected = sorted(set(ids))
    assert walk(index, limit) == expected
    by_offset: list[UUID] = []
    for offset in range(0, len(expected) + 1, limit):
        items, total, more = index.page(limit=limit, offset=offset, after=None, status=None, now=NOW)
        by_offset += [file.file_id for file in items]
        assert total == len(expected)
        assert more == (offset + limit < total)
    assert by_offset == expected
    assert index.used_bytes == len(expected)


def test_walk_by_key_misses_nothing_that_was_there_when_files_are_added_behind_it() -> None:
    index = MemoryIndex()
    index.fill(file_of(UUID(int=number)) for number in (10, 20, 30))
    first, _, _ = index.page(limit=1, offset=0, after=None, status=None, now=NOW)
    index.add(file_of(UUID(int=5)))
    rest, _, more = index.page(limit=5, offset=0, after=first[0].file_id, status=None, now=NOW)
    assert [file.file_id.int for file in rest] == [20, 30]
    assert not more


def test_status_is_of_this_moment() -> None:
    index = MemoryIndex()
    index.add(file_of(UUID(int=1)))
    index.add(file_of(UUID(int=2), expires_at=NOW))
    index.add(file_of(UUID(int=3), expires_at=NOW + timedelta(seconds=1)))
    index.add(file_of(UUID(int=4), status=FileStatus.DAMAGED, expires_at=NOW))
    assert [file_id.int for file_id in walk(index, 10, FileStatus.ACTIVE)] == [1, 3]
    assert [file_id.int for file_id in walk(index, 10, FileStatus.EXPIRED)] == [2]
    assert [file_id.int for file_id in walk(index, 10, FileStatus.DAMAGED)] == [4]
    assert walk(index, 10, FileStatus.DELETED) == []
    items, _, _ = index.page(limit=10, offset=0, after=None, status=None, now=NOW)
    assert [file.status for file in items] == ["active", "expired", "active", "damaged"]


def test_adding_a_file_again_replaces_it() -> None:
    index = MemoryIndex()
    index.add(file_of(UUID(int=1), size=5))
    index.add(file_of(UUID(int=1), size=7))
    assert index.used_bytes == 7
    assert len(walk(index, 10)) == 1
