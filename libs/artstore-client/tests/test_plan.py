"""How a file is cut: nothing is left out, nothing is sent twice, and the parts fit into one header."""

from __future__ import annotations

from typing import Any

import pytest
from artstore_client import UploadPolicy, errors
from artstore_client.policy import MIB
from artstore_client.resumable.plan import part_length, parts_of

POLICY = UploadPolicy()
GIB = 1024 * MIB


@pytest.mark.parametrize("size", [0, 1, 16 * MIB, 64 * MIB, 64 * MIB + 1, 10 * GIB, 10 * GIB + 17, 1024 * GIB])
@pytest.mark.parametrize("parallel", [1, 2, 6, 32])
def test_parts_are_the_file(size: int, parallel: int) -> None:
    parts = parts_of(size, part_length(size, POLICY, parallel))
    assert [part.start for part in parts] == [sum(one.length for one in parts[: part.number]) for part in parts]
    assert sum(part.length for part in parts) == size
    assert len(parts) <= 250
    assert all(part.length for part in parts) or size == 0


def test_small_files_and_one_stream_are_one_part() -> None:
    assert part_length(64 * MIB - 1, POLICY, 6) == 64 * MIB - 1
    assert part_length(10 * GIB, POLICY, 1) == 10 * GIB


def test_a_part_is_one_or_two_requests_where_the_file_is_not_too_large_for_that() -> None:
    assert part_length(10 * GIB, POLICY, 6) == 2 * POLICY.chunk_bytes
    assert part_length(96 * MIB, POLICY, 6) == 16 * MIB
    assert part_length(1024 * GIB, POLICY, 6) > 2 * POLICY.chunk_bytes


@pytest.mark.parametrize("wrong", [{"parallel": 0}, {"attempts": 0}, {"chunk_bytes": 0}, {"offline_seconds": -1.0}])
def test_a_policy_that_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.ConfigurationError):
        UploadPolicy(**wrong)
