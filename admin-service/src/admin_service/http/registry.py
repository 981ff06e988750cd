"""The registry of files over HTTP."""

from typing import Annotated
from uuid import UUID

from artstore_auth.guard import Guard
from artstore_core.elements import StorageId
from artstore_core.files import FileStatus
from artstore_core.pages import Page
from artstore_core.scopes import INTERNAL_AUDIENCE, Principal, Scope
from artstore_kit.paging import PageParams
from fastapi import APIRouter, Depends, Query, Response

from admin_service.registry.files import RegisteredFile, get_file, register
from admin_service.store import Store


class FileFilter(PageParams):
    storage_element_id: StorageId | None = None
    status: FileStatus | None = None


def router(store: Store, guard: Guard) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/registry/files", tags=["registry"])
    reader = Annotated[Principal, Depends(guard.require(Scope.ADMIN_READ))]
    # Who uploaded a file stands in the body, so only services may say it: never a client's token.
    internal = Annotated[Principal, Depends(guard.require(Scope.FILES_WRITE, audiences=[INTERNAL_AUDIENCE]))]

    @routes.get("")
    async def list_registered_files(_who: reader, wanted: Annotated[FileFilter, Query()]) -> Page[RegisteredFile]:
        async with store.transaction() as rows:
            found, total = await rows.files.page(
                storage_element_id=wanted.storage_element_id,
                status=wanted.status,
                limit=wanted.limit,
                offset=wanted.offset,
            )
        return Page[RegisteredFile].of(list(found), total=total, limit=wanted.limit, offset=wanted.offset)

    @routes.post("", status_code=201, responses={200: {"model": RegisteredFile}})
    async def register_file(_who: internal, body: RegisteredFile, response: Response) -> RegisteredFile:
        """201 when the file is new here, 200 when it was registered already."""
        async with store.transaction() as rows:
            added = await register(rows.files, body)
            found = await get_file(rows.files, body.file_id)
        response.status_code = 201 if added else 200
        return found

    @routes.get("/{file_id}")
    async def get_registered_file(_who: reader, file_id: UUID) -> RegisteredFile:
        async with store.transaction() as rows:
            return await get_file(rows.files, file_id)

    return routes
