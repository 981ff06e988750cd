"""What a sync believes of an element's lists: held by the real element, and by the fake that other tests use."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from admin_service.registry.elements import ElementUnreachable
from admin_service.registry.listed import read_changes, read_files
from admin_service.registry.syncs import PositionGone
from artstore_core.ids import new_id
from artstore_testing.tokens import TokenIssuer
from sync_elements import AnElement, FakeElement, RealElement, new_file


@pytest.fixture(params=["fake", "real"])
async def element(
    request: pytest.FixtureRequest, tmp_path: Path, issuer: TokenIssuer, ca_file: Path
) -> AsyncIterator[AnElement]:
    if request.param == "fake":
        yield FakeElement()
        return
    real = await RealElement(tmp_path / "root", issuer, ca_file).start()
    yield real
    await real.stop()


async def filled(element: AnElement, count: int) -> list[UUID]:
    ids = [new_id() for _ in range(count)]
    for number, file_id in enumerate(ids):
        await element.put(file_id, new_file(number))
    return ids


async def position(element: AnElement) -> tuple[UUID, int]:
    """Epoch and number of the last change. The feed waits for what is acknowledged to be in its place; info does not."""
    epoch = (await element.lists.info()).epoch
    assert epoch is not None
    return epoch, read_changes(await element.lists.changes(0, epoch, 1000), 0).end


async def test_list_goes_by_key_and_says_what_follows(element: AnElement) -> None:
    ids = await filled(element, 5)
    first = read_files(await element.lists.files(None, 3), None)
    assert (list(first.ids), first.has_more, first.total) == (ids[:3], True, 5)
    second = read_files(await element.lists.files(ids[2], 3), ids[2])
    assert (list(second.ids), second.has_more, second.total) == (ids[3:], False, 5)


async def test_empty_element_has_an_empty_list_and_no_changes(element: AnElement) -> None:
    page = read_files(await element.lists.files(None, 1000), None)
    assert (list(page.ids), page.has_more, page.total) == ([], False, 0)
    info = await element.lists.info()
    assert info.epoch is not None
    changes = read_changes(await element.lists.changes(info.sequence or 0, info.epoch, 1000), info.sequence or 0)
    assert (list(changes.ids), changes.has_more, changes.epoch) == ([], False, info.epoch)


async def test_changes_name_each_file_once_by_its_last(element: AnElement) -> None:
    ids = await filled(element, 3)
    epoch, before = await position(element)
    await element.patch(ids[0], {"description": "другое"})
    await element.patch(ids[0], {"description": "ещё"})
    await element.delete(ids[1])
    page = read_changes(await element.lists.changes(before, epoch, 1000), before)
    assert [(file.file_id, file.revision, file.status.value) for file in page.files] == [
        (ids[0], 3, "active"),
        (ids[1], 2, "deleted"),
    ]
    assert page.last == page.end == (await element.lists.info()).sequence


async def test_purged_files_leave_the_list_and_stay_deleted_in_the_feed(element: AnElement) -> None:
    ids = await filled(element, 3)
    epoch, before = await position(element)
    await element.delete(ids[1])
    await element.purge()
    page = read_files(await element.lists.files(None, 1000), None)
    assert (list(page.ids), page.total) == ([ids[0], ids[2]], 2)
    changes = read_changes(await element.lists.changes(before, epoch, 1000), before)
    assert [(file.file_id, file.status.value) for file in changes.files] == [(ids[1], "deleted")]


async def test_feed_goes_page_by_page(element: AnElement) -> None:
    ids = await filled(element, 5)
    epoch = (await element.lists.info()).epoch
    met: list[UUID] = []
    after, more = 0, True
    while more:
        page = read_changes(await element.lists.changes(after, epoch, 2), after)
        met, after, more = met + list(page.ids), page.last, page.has_more
    assert met == ids


async def test_position_of_another_epoch_or_beyond_the_end_is_gone(element: AnElement) -> None:
    ids = await filled(element, 2)
    info = await element.lists.info()
    assert info.sequence is not None
    with pytest.raises(PositionGone):
        await element.lists.changes(0, new_id(), 10)
    # What is acknowledged may not be in its place yet: the end is up to that much further on.
    with pytest.raises(PositionGone):
        await element.lists.changes(info.sequence + len(ids) + 1, info.epoch, 10)
    await element.new_epoch()
    with pytest.raises(PositionGone):
        await element.lists.changes(info.sequence, info.epoch, 10)
    assert len(await element.truth()) == 2


async def test_unmounted_disk_is_no_empty_list(element: AnElement) -> None:
    ids = await filled(element, 2)
    epoch = (await element.lists.info()).epoch
    await element.lose_disk()
    for asked in (element.lists.files(None, 10), element.lists.changes(0, epoch, 10)):
        with pytest.raises(ElementUnreachable):
            await asked
    await element.find_disk()
    await element.restart()
    assert list(read_files(await element.lists.files(None, 10), None).ids) == ids


async def test_what_a_file_says_is_what_was_said_of_it(element: AnElement) -> None:
    said = new_file(7) | {"retention_policy": "temporary", "ttl_days": 30}
    file_id = new_id()
    await element.put(file_id, said, b"data")
    listed = json.loads(await element.lists.files(None, 10))["items"][0]
    assert listed | said == listed
    assert (listed["size"], listed["revision"], listed["status"]) == (4, 1, "active")
