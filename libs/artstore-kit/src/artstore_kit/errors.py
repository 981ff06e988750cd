"""The one place where errors become answers (requirement A5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any

from artstore_core.errors import (
    BY_CODE,
    ArtStoreError,
    FileTooLarge,
    Forbidden,
    InternalError,
    MethodNotAllowed,
    NotFound,
    Unauthorized,
    ValidationFailed,
)
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from artstore_kit.context import current_request_id

Refused = Callable[[Request, ArtStoreError], None]
"""Hears of a request that was refused for who asks: 401 and 403. Must not wait for anything."""


class ErrorBody(BaseModel):
    code: Annotated[str, Field(json_schema_extra={"enum": sorted(BY_CODE)})]
    message: str
    details: dict[str, str] | None = None
    request_id: str | None = None


class ErrorAnswer(BaseModel):
    """Every error of every service."""

    error: ErrorBody


def error_response(error: ArtStoreError) -> JSONResponse:
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.details:
        body["details"] = error.details
    if request_id := current_request_id():
        body["request_id"] = request_id
    return JSONResponse({"error": body}, status_code=error.status, headers=error.headers)


def validation_failed(errors: Sequence[Mapping[str, Any]]) -> ValidationFailed:
    """Pydantic's findings as field → reason. Their inputs stay out: they may hold secrets."""
    details: dict[str, str] = {}
    for finding in errors:
        place = [str(part) for part in finding["loc"][1:]]  # the first says only: body, query, path or header
        if finding["type"] == "json_invalid":
            return ValidationFailed("The body is not valid JSON", details={"body": str(finding["ctx"]["error"])})
        details[".".join(place) or "body"] = str(finding["msg"]).removeprefix("Value error, ")
    return ValidationFailed("The request is not valid", details=details)


_FRAMEWORK: dict[int, tuple[type[ArtStoreError], str]] = {
    401: (Unauthorized, "Authentication is needed"),
    403: (Forbidden, "That is not allowed"),
    404: (NotFound, "There is nothing here"),
    405: (MethodNotAllowed, "This method is not allowed here"),
    413: (FileTooLarge, "The body is too large"),
}


_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


def _from_framework(error: HTTPException) -> ArtStoreError:
    headers = error.headers or {}
    if error.status_code in _FRAMEWORK:
        kind, message = _FRAMEWORK[error.status_code]
        return kind(message, headers=headers)
    if 400 <= error.status_code < 500:
        return ValidationFailed(HTTPStatus(error.status_code).phrase, headers=headers)
    return InternalError("Something went wrong here", headers=headers)


def _allowed_methods(request: Request) -> str:
    """Every method of the path: the router names only those of the first route that matches."""
    return ", ".join(
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in request.app.routes)
    )


def install_error_handlers(app: FastAPI, refused: Refused | None = None) -> None:
    async def domain(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ArtStoreError)
        if refused is not None and error.status in (401, 403):
            refused(request, error)
        return error_response(error)

    async def validation(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return error_response(validation_failed(error.errors()))

    async def framework(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        answer = _from_framework(error)
        if isinstance(answer, MethodNotAllowed):
            answer.headers["Allow"] = _allowed_methods(request)
        return error_response(answer)

    app.add_exception_handler(ArtStoreError, domain)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(HTTPException, framework)
