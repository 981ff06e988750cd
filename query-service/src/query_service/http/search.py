"""`POST /api/v1/search`."""

from artstore_auth.guard import Guard
from artstore_core.scopes import Scope
from fastapi import APIRouter, Depends

from query_service.search.answer import SearchAnswer
from query_service.search.request import SearchRequest
from query_service.search.service import Index, search


def router(index: Index, guard: Guard) -> APIRouter:
    router = APIRouter(prefix="/api/v1", tags=["search"], dependencies=[Depends(guard.require(Scope.FILES_READ))])

    # Unset ones only: `relevance_score` and `highlights` are absent where there is nothing to rank.
    @router.post("/search", response_model_exclude_unset=True)
    async def search_files(
        request: SearchRequest,
    ) -> SearchAnswer:
        """Finds files by words and filters. A body of `{}` lists everything, newest first."""
        return await search(index, request)

    return router
