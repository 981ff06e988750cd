"""The blocking client is the asynchronous one; what could get lost between the two."""

from __future__ import annotations

import inspect
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from artstore_client import ArtStore, AsyncArtStore, errors
from client_stand import Stand


def test_the_whole_way(stand: Stand, tmp_path: Path) -> None:
    with ArtStore(stand.config()) as store:
        assert store.whoami().subject == "sa:sa_test_1"
        stored = store.upload(io.BytesIO(b"abc"), filename="a.txt", tags=["t"])
        assert store.info(stored.file_id).tags == ["t"]
        assert [hit.file_id for hit in store.search("a").items] == [stored.file_id]
        assert store.download(stored.file_id, tmp_path).path == tmp_path / "a.txt"
    assert stand.tokens_made == 1


def test_every_method_is_there_with_its_documentation() -> None:
    methods = {name for name, value in vars(AsyncArtStore).items() if inspect.isfunction(value) and name[0] != "_"}
    for name in methods - {"aclose"}:
        assert getattr(ArtStore, name).__doc__ == getattr(AsyncArtStore, name).__doc__


def test_an_iterator_may_be_left_half_way(stand: Stand) -> None:
    for number in range(5):
        stand.put(b"x", f"{number}")
    with ArtStore(stand.config()) as store:
        assert len(list(store.search_all(page_size=2))) == 5
        hits = store.search_all(page_size=2)
        next(hits)


def test_exceptions_arrive_as_they_are(stand: Stand) -> None:
    with ArtStore(stand.config()) as store, pytest.raises(errors.NotFound):
        store.info("018f0000-0000-7000-8000-000000000000")


def test_several_threads_share_one_client(stand: Stand) -> None:
    with ArtStore(stand.config()) as store, ThreadPoolExecutor(8) as pool:
        files = list(pool.map(lambda n: store.upload(io.BytesIO(b"%d" % n), filename="x"), range(24)))
    assert len({file.file_id for file in files}) == 24
    assert stand.tokens_made == 1


def test_closing_twice_ends_the_thread_once(stand: Stand) -> None:
    store = ArtStore(stand.config())
    store.whoami()
    store.close()
    store.close()
    assert "artstore-client" not in [thread.name for thread in threading.enumerate()]
