"""Paths come from ids alone and stay in their root."""

from pathlib import Path
from uuid import UUID

import pytest
from artstore_core.ids import new_id
from hypothesis import given
from hypothesis import strategies as st
from storage_element.disk import layout as names
from storage_element.disk.layout import Layout

ROOT = Path("/root-of-data")
LAYOUT = Layout(ROOT)


@given(file_id=st.uuids())
def test_every_path_lies_in_the_root_and_names_its_id(file_id: UUID) -> None:
    paths = [
        LAYOUT.data(file_id),
        LAYOUT.attributes(file_id),
        LAYOUT.part(file_id),
        LAYOUT.upload(file_id),
        LAYOUT.temporary(),
        LAYOUT.set_aside(LAYOUT.data(file_id)),
    ]
    assert len(set(paths)) == len(paths)
    assert all(ROOT in path.parents and ".." not in path.parts for path in paths)
    assert names.id_of_data(LAYOUT.data(file_id).name) == file_id
    assert names.id_of_attributes(LAYOUT.attributes(file_id).name) == file_id
    assert names.id_of_part(LAYOUT.part(file_id).name) == file_id
    assert names.id_of_upload(LAYOUT.upload(file_id).name) == file_id
    assert names.is_shard(LAYOUT.shard(file_id).name)
    assert names.is_temporary(LAYOUT.temporary().name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".data",
        "x.data",
        "01920000000070008000000000000001.data",  # right id, another spelling
        "{01920000-0000-7000-8000-000000000001}.data",
        "01920000-0000-7000-8000-00000000000A.data",
        "01920000-0000-7000-8000-000000000001.data.tmp",
        "01920000-0000-7000-8000-000000000001.attr.json",
    ],
)
def test_foreign_names_are_not_taken_for_ours(name: str) -> None:
    assert names.id_of_data(name) is None


def test_ids_of_one_moment_spread_over_many_shards() -> None:
    """UUIDv7 shares its front with its neighbours in time, so a shard by front would hold all files of a day."""
    assert len({LAYOUT.shard(new_id()) for _ in range(2000)}) > 1000
