"""An upload that serves nothing any more is taken back, if need be at the second try."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import anyio
import pytest
from artstore_client.errors import ApiError, ArtStoreClientError, NotConnected
from artstore_client.policy import UploadPolicy
from artstore_client.resumable.plan import parts_of
from artstore_client.resumable.protocol import Tus
from artstore_client.resumable.sending import Sending, Ways
from artstore_client.resumable.state import PartState, State
from artstore_client.resumable.store import taken_back
from artstore_client.retry import RetryPolicy
from artstore_client.source import Fingerprint, Source

AT_ONCE = RetryPolicy(attempts=3, base_seconds=0)


def refused(status: int) -> ApiError:
    return ApiError("no", status=status, code=f"HTTP_{status}")


class Server:
    """Answers with these, and then that it is done."""

    def __init__(self, *answers: ArtStoreClientError) -> None:
        self.answers = list(answers)
        self.asked: list[UUID] = []

    async def give_up(self, upload_id: UUID) -> None:
        self.asked.append(upload_id)
        if self.answers:
            raise self.answers.pop(0)


@pytest.mark.parametrize(
    ("answers", "asked"),
    [
        pytest.param((), 1, id="at once"),
        pytest.param((refused(423),), 2, id="held for who sent it"),
        pytest.param((NotConnected("no"), refused(503)), 3, id="a bad line"),
        pytest.param((refused(404),), 1, id="gone already"),
        pytest.param((refused(423),) * 9, 3, id="not for ever"),
    ],
)
async def test_it_is_asked_again_where_that_helps(answers: tuple[ArtStoreClientError, ...], asked: int) -> None:
    server = Server(*answers)
    await taken_back(server, uuid4(), AT_ONCE)
    assert len(server.asked) == asked


class Slow:
    """Begins an upload, and takes its time to say which."""

    def __init__(self) -> None:
        self.upload_id, self.begun, self.may_tell = uuid4(), anyio.Event(), anyio.Event()

    async def begin(self, *_: Any, **__: Any) -> UUID:
        self.begun.set()
        await self.may_tell.wait()
        return self.upload_id


async def test_an_upload_that_was_begun_is_known_when_all_is_given_up(tmp_path: Path) -> None:
    path, server = tmp_path / "file.bin", Slow()
    path.write_bytes(b"0123456789")
    source = await Source.from_path(path)
    state = State(Fingerprint(10, 7), 10, [PartState()], None, str(path))
    sending = Sending(
        cast(Tus, server), source, parts_of(10, 10), state, Ways(UploadPolicy(), RetryPolicy(), parallel=1)
    )
    async with anyio.create_task_group() as group:
        group.start_soon(sending.run)
        await server.begun.wait()
        group.cancel_scope.cancel()
        server.may_tell.set()
    source.close()
    assert state.parts[0].upload_id == server.upload_id
