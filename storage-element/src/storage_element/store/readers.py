"""A file's bytes as a download reads them."""

from __future__ import annotations

from collections.abc import Callable

from artstore_core.errors import FileDamaged

from storage_element.store.ports import Reader


class BytesReader:
    """A small file whose bytes are in memory."""

    at_hand = True

    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, offset: int, length: int) -> bytes:
        return self._content[offset : offset + length]

    def close(self) -> None:
        """Nothing is held."""


class WatchedReader:
    """Tells when the bytes end too early."""

    def __init__(self, reader: Reader, on_damage: Callable[[], None]) -> None:
        self._reader, self._on_damage, self.at_hand = reader, on_damage, reader.at_hand

    def read(self, offset: int, length: int) -> bytes:
        try:
            return self._reader.read(offset, length)
        except FileDamaged:
            self._on_damage()
            raise

    def close(self) -> None:
        self._reader.close()
