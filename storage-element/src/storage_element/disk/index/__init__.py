"""The element's index: what lists, counts, look-ups and the change feed are answered from.

It is a copy of what the attr.json files say, in SQLite, and may be lost at any time: it is then made again from them.
That is why nothing in it is flushed before a checkpoint, and why an error that throws doubt on it costs a rebuild, and
never a file.
"""

from storage_element.disk.index.errors import IndexDoubtful
from storage_element.disk.index.rows import Entry
from storage_element.disk.index.sqlite import Limits, SqliteIndex

__all__ = ["Entry", "IndexDoubtful", "Limits", "SqliteIndex"]
