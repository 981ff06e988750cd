"""The contract that an app publishes: OpenAPI 3.1 with our error form in place of the framework's."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from artstore_kit.errors import ErrorAnswer


def operation_id(route: APIRoute) -> str:
    """`upload_file`, not `upload_file_api_v1_files_upload_post`: generated clients read better."""
    return route.name


def contract(app: FastAPI) -> dict[str, Any]:
    """The app's OpenAPI document; cached on the app, as FastAPI does."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            openapi_version="3.1.0",
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        _use_our_errors(schema)
        app.openapi_schema = schema
    return app.openapi_schema


def _use_our_errors(schema: dict[str, Any]) -> None:
    components = schema.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        components.pop(name, None)
    model = ErrorAnswer.model_json_schema(ref_template="#/components/schemas/{model}")
    components.update(model.pop("$defs"))
    components["ErrorAnswer"] = model
    answer = {
        "description": "An error, in the form that all of ArtStore shares",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}},
    }
    for path, operations in schema.get("paths", {}).items():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            if not path.startswith(("/health", "/metrics", "/.well-known")):
                operation["responses"].setdefault("default", answer)
