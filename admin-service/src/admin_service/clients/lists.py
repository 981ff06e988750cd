"""An element's lists for syncs: pages as they came, so that who reads them can tell what is wrong with one."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from artstore_core.elements import ElementInfo
from artstore_core.errors import AdminUnavailable, ArtStoreError, Gone

from admin_service.clients import bodies
from admin_service.clients.element import ElementClient
from admin_service.clients.errors import AN_ERROR
from admin_service.registry.calls import Addressed, AskInfo, ElementAnswersWrongly, ElementUnreachable
from admin_service.registry.syncs import AnswerTooLong, PositionGone

_START: Final = UUID(int=0)


class Lists:
    """registry.syncs.ElementLists, of one element."""

    def __init__(self, client: ElementClient, ask: AskInfo, element: Addressed) -> None:
        self._client, self._ask, self._element = client, ask, element

    async def info(self) -> ElementInfo:
        return await self._ask(self._element.url)

    async def files(self, after: UUID | None, limit: int) -> bytes:
        # The beginning, too, is asked for by key: an offset would skip files in a list that changes.
        return await self._page("/api/v1/files", {"after": str(after or _START), "limit": limit})

    async def changes(self, after: int, epoch: UUID | None, limit: int) -> bytes:
        wanted: dict[str, str | int] = {"after": after, "limit": limit}
        try:
            return await self._page("/api/v1/changes", wanted | ({} if epoch is None else {"epoch": str(epoch)}))
        except Gone as error:
            raise PositionGone(error.message) from None

    async def _page(self, path: str, params: dict[str, str | int]) -> bytes:
        try:
            return await self._client.page(self._element, path, params)
        except bodies.AnswerTooLong as error:
            raise AnswerTooLong(error.message) from None
        except (Gone, ElementUnreachable, AdminUnavailable):
            raise
        except ArtStoreError as error:
            # An agreed error, and none that an element has for a list.
            raise ElementAnswersWrongly(AN_ERROR) from error
