"""`PATCH` and `DELETE` of `/api/v1/files/{id}`; who reads there is answered by query."""

from collections.abc import Callable
from typing import Annotated, Final
from uuid import UUID

from artstore_audit import Entry
from artstore_auth.guard import Guard
from artstore_core.files import File
from artstore_core.scopes import Principal, Scope
from fastapi import APIRouter, Depends, Header, Request, Response

from ingester_service.files.changing import ChangingFiles, FileChange
from ingester_service.http.journal import file_entry

FILE_PATH: Final = "/api/v1/files/{file_id}"
IfMatch = Annotated[str | None, Header(description="The revision's ETag; any other is 412")]


def router(changing: ChangingFiles, guard: Guard, report: Callable[[Entry], None]) -> APIRouter:
    """`report` is the audit log's."""
    router = APIRouter(tags=["files"])
    writer = Annotated[Principal, Depends(guard.require(Scope.FILES_WRITE))]

    @router.patch(FILE_PATH)
    async def change_file(
        request: Request,
        response: Response,
        principal: writer,
        file_id: UUID,
        change: FileChange,
        if_match: IfMatch = None,
    ) -> File:
        """Changes description, tags or metadata: a field that is given replaces the old value whole, null clears it."""
        file = await changing.change(file_id, change, if_match)
        details = {"fields": ", ".join(sorted(change.model_fields_set)), "revision": file.revision}
        report(file_entry("file.changed", principal.subject, file_id, request, details))
        response.headers["ETag"] = f'"{file.revision}"'
        return file

    @router.delete(FILE_PATH, status_code=204)
    async def delete_file(request: Request, principal: writer, file_id: UUID, if_match: IfMatch = None) -> Response:
        """Deletes a file, which only elements in mode edit allow: 409 MODE_NOT_ALLOWED elsewhere."""
        gone = await changing.delete(file_id, principal.subject, if_match)
        report(file_entry("file.deleted", principal.subject, file_id, request, {"revision": gone.revision}))
        return Response(status_code=204)

    return router
