"""What the operating system's errors mean to a caller."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from artstore_core.errors import ArtStoreError, StorageFull, StorageUnavailable

from storage_element.store.ports import NotGivenOut

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
SCARCE: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""This process, or the machine, has no more descriptors or memory: that says nothing of the disk."""
NOT_GIVEN_OUT: Final = frozenset({errno.EIO, errno.ENODATA, errno.EBADMSG, errno.EUCLEAN})
"""What read(2) says of a sector that is bad (EIO; ENODATA of the block layer), and of one whose checksum or structure the
filesystem finds wrong."""


@contextmanager
def meaning() -> Iterator[None]:
    """Turns OSError into StorageFull (507) where the disk is full, and into StorageUnavailable (503) else.

    Never into NotFound: only code that has looked for one certain file may say that it is not there.
    """
    try:
        yield
    except OSError as error:
        raise failure(error) from error


def failure(error: OSError) -> ArtStoreError:
    if error.errno in FULL:
        return StorageFull("The storage element is full.")
    kind = NotGivenOut if error.errno in NOT_GIVEN_OUT else StorageUnavailable
    return kind("The storage element's disk cannot be used now.")
