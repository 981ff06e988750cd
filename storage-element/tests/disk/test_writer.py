"""A writer's file is closed once, whoever asks: its number may be another file's by the second time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from storage_element.disk.durable import Durable
from storage_element.disk.filesystem import RealFileSystem
from storage_element.disk.writer import Writer


class Counting(RealFileSystem):
    def __init__(self) -> None:
        self.closed: list[int] = []

    def close(self, handle: int) -> None:
        self.closed.append(handle)
        super().close(handle)


def test_writer_is_closed_once_however_often_and_from_wherever(tmp_path: Path) -> None:
    filesystem = Counting()
    writer = Writer.create(filesystem, Durable(filesystem), tmp_path / "x")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: writer.close(), range(20)))
    assert len(filesystem.closed) == 1
