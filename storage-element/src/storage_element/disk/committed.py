"""Committed files: `<id>.data` beside `<id>.attr.json`, as readers find them."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from artstore_core.attr_json import decode
from artstore_core.errors import FileDamaged, NotFound
from artstore_core.files import Attributes

from storage_element.disk.failures import failure, meaning
from storage_element.disk.filesystem import READ, FileSystem
from storage_element.disk.layout import Layout
from storage_element.disk.small_files import read_small


class Reader:
    """The bytes of one file, open: it can be read to its end whatever happens to its name."""

    at_hand = False

    def __init__(self, filesystem: FileSystem, handle: int) -> None:
        self._filesystem, self._handle = filesystem, handle

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes. Raises FileDamaged where the file ends before that."""
        with meaning():
            piece = self._filesystem.pread(self._handle, length, offset)
            while len(piece) < length:
                more = self._filesystem.pread(self._handle, length - len(piece), offset + len(piece))
                if not more:
                    raise FileDamaged("The file is shorter than its record says.")
                piece += more
        return piece

    def close(self) -> None:
        self._filesystem.close(self._handle)


class CommittedFiles:
    """Reads files that are in their places. A file exists once its attr.json does."""

    def __init__(self, layout: Layout, filesystem: FileSystem) -> None:
        self._layout, self._filesystem = layout, filesystem

    def attributes(self, file_id: UUID) -> Attributes:
        """Raises NotFound, and FileDamaged for a record that cannot be read or is not as it was written."""
        try:
            content = read_small(self._filesystem, self._layout.attributes(file_id))
        except FileNotFoundError:
            raise NotFound("There is no such file.") from None
        except OSError as error:
            raise failure(error) from error
        except ValueError:
            raise FileDamaged("The file's record cannot be read.") from None
        try:
            found = decode(content)
        except ValueError:
            raise FileDamaged("The file's record cannot be read.") from None
        if found.file_id != file_id:
            raise FileDamaged("The file's record is another file's.")
        return found

    def size(self, file_id: UUID) -> int | None:
        """How long the data is; None where it is missing."""
        try:
            handle = self._filesystem.open(self._layout.data(file_id), READ)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise failure(error) from error
        try:
            return self._filesystem.size(handle)
        finally:
            self._filesystem.close(handle)

    def open(self, attributes: Attributes) -> Reader:
        """Raises FileDamaged when the data is missing or of another length than its record says."""
        return self._open(self._layout.data(attributes.file_id), attributes)

    def open_staged(self, name: str, attributes: Attributes) -> Reader:
        """The same for bytes that are promised and still in staging."""
        return self._open(self._layout.staged(name), attributes)

    def _open(self, path: Path, attributes: Attributes) -> Reader:
        try:
            handle = self._filesystem.open(path, READ)
        except FileNotFoundError:
            raise FileDamaged("The file's data is missing.") from None
        except OSError as error:
            raise failure(error) from error
        if self._filesystem.size(handle) != attributes.size:
            self._filesystem.close(handle)
            raise FileDamaged("The file's data has another length than its record says.")
        return Reader(self._filesystem, handle)
