"""How much time and how many threads a decoding is given."""

from __future__ import annotations

import os

from render_service.decoders.contract import Limits


def test_a_longer_document_has_more_time_up_to_the_longest() -> None:
    limits = Limits(cpu_seconds=100, seconds=200, page_seconds=2, pages=50)
    assert (limits.of_pages(1).cpu_seconds, limits.of_pages(1).seconds) == (102, 202)
    assert (limits.of_pages(30).cpu_seconds, limits.of_pages(30).seconds) == (160, 260)
    assert limits.of_pages(10**9) == limits.of_pages(50)


def test_no_more_threads_than_processors() -> None:
    assert Limits(threads=1).threads_here == 1
    assert Limits(threads=10**6).threads_here == os.cpu_count()
