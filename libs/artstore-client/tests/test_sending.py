"""One upload from its first byte to the comparison at the end, where something is not as it should be."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from artstore_client import AsyncArtStore, errors
from artstore_client.models import StoredFile
from artstore_client.policy import UploadPolicy
from artstore_client.resumable.plan import parts_of
from artstore_client.resumable.protocol import Tus
from artstore_client.resumable.sending import Sending, Ways
from artstore_client.resumable.state import PartState, State
from artstore_client.retry import RetryPolicy
from artstore_client.source import Source
from client_stand import Stand, problem
from starlette.responses import Response

CONTENT = b"0123456789"


def file_of(content: bytes) -> StoredFile:
    return StoredFile.model_validate(
        {
            "file_id": uuid4(),
            "original_filename": "file.bin",
            "content_type": "application/octet-stream",
            "size": len(content),
            "checksum": hashlib.sha256(content).hexdigest(),
            "uploaded_by": "sa:sa_1",
            "uploaded_at": datetime.now(UTC),
            "retention_policy": "permanent",
        }
    )


class Server:
    """Joins what it is sent, and makes of it what `made` says."""

    def __init__(self, made: Callable[[bytes], bytes] = bytes, *, deletes: bool = True) -> None:
        self.parts: dict[UUID, bytes] = {}
        self._made, self._deletes = made, deletes

    async def begin(self, length: int, *, key: str, partial: bool) -> UUID:
        del length, key, partial
        upload_id = uuid4()
        self.parts[upload_id] = b""
        return upload_id

    async def append(self, upload_id: UUID, offset: int, length: int, body: Callable[[], AsyncIterable[bytes]]) -> int:
        async for piece in body():
            self.parts[upload_id] += piece
        return offset + length

    async def join(self, parts: Sequence[UUID]) -> StoredFile:
        return file_of(self._made(b"".join(self.parts[part] for part in parts)))

    async def delete(self, file: StoredFile) -> bool:
        del file
        return self._deletes


@pytest.fixture
async def source(tmp_path: Path) -> AsyncIterator[Source]:
    path = tmp_path / "file.bin"
    path.write_bytes(CONTENT)
    found = await Source.from_path(path)
    yield found
    found.close()


def sending(server: Server, source: Source, memory: Path | None = None, **ways: Any) -> Sending:
    parts = parts_of(len(CONTENT), 5)
    state = State(source.fingerprint, 5, [PartState() for _ in parts], memory)
    return Sending(cast(Tus, server), source, parts, state, Ways(UploadPolicy(), RetryPolicy(), parallel=2, **ways))


async def test_a_memory_that_cannot_be_written_stops_no_upload(source: Source, tmp_path: Path) -> None:
    notes: list[str] = []
    where = tmp_path / "no such folder" / "x.json"
    stored = await sending(Server(), source, where, on_note=notes.append).run()
    assert stored.size == len(CONTENT)
    assert notes == [f"an upload that is killed will begin anew: {where}: No such file or directory"]


@pytest.mark.parametrize(("deletes", "told"), [(True, "is deleted again"), (False, "could not be deleted again")])
async def test_what_was_stored_wrong_is_told_as_it_is(source: Source, deletes: bool, told: str) -> None:
    with pytest.raises(errors.IntegrityError, match=told):
        await sending(Server(lambda content: content[::-1], deletes=deletes), source).run()
    with pytest.raises(errors.SourceChanged, match=told):
        await sending(Server(lambda content: content[:-1], deletes=deletes), source).run()


@pytest.mark.parametrize(
    ("answer", "deleted"), [(Response(status_code=204), True), (problem(409, "MODE_NOT_ALLOWED", "permanent"), False)]
)
async def test_only_what_may_be_deleted_is(stand: Stand, store: AsyncArtStore, answer: Response, deleted: bool) -> None:
    file = file_of(CONTENT)
    stand.canned[f"DELETE /api/v1/files/{file.file_id}"].append(answer)
    assert await Tus(store._transport, "file.bin", "text/plain", []).delete(file) is deleted
