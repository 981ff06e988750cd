"""`POST /api/v1/search`."""

from typing import Annotated

from artstore_core.scopes import Principal
from fastapi import APIRouter, Depends

from query_service.files.limits import SearchTurns
from query_service.http.door import Door
from query_service.search.answer import SearchAnswer
from query_service.search.request import SearchRequest
from query_service.search.service import Index, search


def router(index: Index, turns: SearchTurns, door: Door) -> APIRouter:
    router = APIRouter(prefix="/api/v1", tags=["search"])

    # Unset ones only: `relevance_score` and `highlights` are absent where there is nothing to rank.
    @router.post("/search", response_model_exclude_unset=True)
    async def search_files(
        request: SearchRequest,
        reader: Annotated[Principal, Depends(door.reader)],
    ) -> SearchAnswer:
        """Finds files by words and filters. A body of `{}` lists everything, newest first."""
        async with turns.turn(reader.subject):
            return await search(index, request)

    return router
