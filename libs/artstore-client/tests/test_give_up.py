"""An upload that serves nothing any more is taken back, if need be at the second try."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from artstore_client.errors import ApiError, ArtStoreClientError, NotConnected
from artstore_client.resumable.store import taken_back
from artstore_client.retry import RetryPolicy

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
