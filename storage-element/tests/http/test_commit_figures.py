"""A flush that fails is seen: counted, and the element says that it takes no changes."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from element_faults import FailingFileSystem
from element_upkeep import metrics


async def test_a_failed_flush_is_counted_and_the_element_takes_no_changes(make: Any) -> None:
    disk = FailingFileSystem()
    api = await make.start(filesystem=disk)
    assert (await api.put(uuid4(), b"kept")).status_code == 201
    figures = await metrics(api)
    assert (figures["artstore_element_writable"], figures["artstore_element_commits_failed_total"]) == (1, 0)
    disk.fail(on=("fsync", "fdatasync"), for_ever=True)
    assert (await api.put(uuid4(), b"not kept")).status_code == 503
    figures = await metrics(api)
    assert (figures["artstore_element_writable"], figures["artstore_element_commits_failed_total"]) == (0, 1)
    assert figures["artstore_element_up"] == 1
    disk.mend()
