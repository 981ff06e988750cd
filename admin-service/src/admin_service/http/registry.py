"""The registry of files over HTTP."""

from collections.abc import Sequence
from typing import Annotated, Any, Final
from uuid import UUID

from artstore_auth.guard import Guard
from artstore_core.elements import StorageId
from artstore_core.files import FileStatus, Subject
from artstore_core.pages import Page
from artstore_core.scopes import INTERNAL_AUDIENCE, Principal, Scope
from artstore_kit.paging import PageParams
from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema

from admin_service.http.caller import Caller, Callers
from admin_service.registry.calls import FileChange
from admin_service.registry.changing import ChangingFiles
from admin_service.registry.files import Outcome, RegisteredFile, get_file, register, register_together
from admin_service.store import Store

IfMatch = Annotated[str | None, Header(description="The revision's ETag; any other is 412")]

MAX_TOGETHER: Final = 100
_FILES: Final = {
    "type": "array",
    "minItems": 1,
    "maxItems": MAX_TOGETHER,
    "items": {"$ref": "#/components/schemas/RegisteredFile-Input"},
}


class FilesIn(BaseModel):
    """Each file is read by itself, so that one that is wrong keeps no other out."""

    model_config = ConfigDict(extra="forbid")

    files: Annotated[list[Any], Field(min_length=1, max_length=MAX_TOGETHER), WithJsonSchema(_FILES)]


class Outcomes(BaseModel):
    outcomes: Sequence[Outcome] = Field(description="Of the files, in their order")


class FileFilter(PageParams):
    storage_element_id: StorageId | None = None
    status: FileStatus | None = None
    uploaded_by: Subject | None = None


def router(store: Store, guard: Guard, changing: ChangingFiles) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/registry/files", tags=["registry"])
    reader = Annotated[Principal, Depends(guard.require(Scope.ADMIN_READ))]
    writer = Annotated[Caller, Depends(Callers(guard).require(Scope.ADMIN_WRITE))]
    # Who uploaded a file stands in the body, so only services may say it: never a client's token.
    internal = Annotated[Principal, Depends(guard.require(Scope.FILES_WRITE, audiences=[INTERNAL_AUDIENCE]))]

    @routes.get("")
    async def list_registered_files(_who: reader, wanted: Annotated[FileFilter, Query()]) -> Page[RegisteredFile]:
        async with store.transaction() as rows:
            found, total = await rows.files.page(
                storage_element_id=wanted.storage_element_id,
                status=wanted.status,
                uploaded_by=wanted.uploaded_by,
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

    @routes.post("/together")
    async def register_files(_who: internal, body: FilesIn) -> Outcomes:
        """Several files at once, in one transaction; what `POST /files` says of each by a status stands in its outcome."""
        files = [_read(one) for one in body.files]
        async with store.transaction() as rows:
            return Outcomes(outcomes=await register_together(rows.files, files))

    @routes.get("/{file_id}")
    async def get_registered_file(_who: reader, file_id: UUID, response: Response) -> RegisteredFile:
        """The ETag is the revision."""
        async with store.transaction() as rows:
            return _tagged(await get_file(rows.files, file_id), response)

    @routes.get("/{file_id}/location")
    async def locate_file(_who: internal, file_id: UUID) -> RegisteredFile:
        """For services that change or delete a file where it lies."""
        async with store.transaction() as rows:
            return await get_file(rows.files, file_id)

    @routes.patch("/{file_id}")
    async def change_registered_file(
        who: writer, file_id: UUID, body: FileChange, response: Response, if_match: IfMatch = None
    ) -> RegisteredFile:
        """Changes the file on its storage element, and then here. While the element is away: 503, and nothing changed."""
        return _tagged(await changing.change(file_id, body, who.actor, if_match=if_match), response)

    @routes.delete("/{file_id}", status_code=204)
    async def delete_registered_file(who: writer, file_id: UUID, if_match: IfMatch = None) -> Response:
        """Deletes the file on its storage element (mode edit alone), and then here: its row becomes `deleted`."""
        await changing.delete(file_id, who.actor, if_match=if_match)
        return Response(status_code=204)

    return routes


def _read(given: Any) -> RegisteredFile | None:
    try:
        return RegisteredFile.model_validate(given)
    except ValidationError:
        return None


def _tagged(file: RegisteredFile, response: Response) -> RegisteredFile:
    response.headers["ETag"] = f'"{file.revision}"'
    return file
