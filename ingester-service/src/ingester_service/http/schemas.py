"""What goes over the wire, for the contract."""

from typing import Any, Literal

from artstore_core.files import File
from pydantic import Field

from ingester_service.http.idempotency import KEY_HEADER


class UploadedFile(File):
    registered: Literal[False] | None = Field(
        default=None,
        description="Present, and false, for a file that is safe and whose registration had to wait: "
        "search and download find it a little later",
    )


UPLOAD_BODY: dict[str, Any] = {
    "parameters": [KEY_HEADER],
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "retention_policy": {
                            "type": "string",
                            "enum": ["temporary", "permanent"],
                            "default": "permanent",
                            "description": "Before the file, or in the query string",
                        },
                        "ttl_days": {
                            "type": "integer",
                            "minimum": 1,
                            "maximum": 365,
                            "description": "For temporary files, 30 by default. Before the file, or in the query string",
                        },
                        "description": {"type": "string", "maxLength": 10000},
                        "tags": {
                            "type": "array",
                            "items": {"type": "string", "minLength": 1, "maxLength": 100},
                            "maxItems": 100,
                            "description": "Repeated fields, or one field with a JSON array",
                        },
                        "metadata": {
                            "type": "string",
                            "contentMediaType": "application/json",
                            "description": "A JSON object",
                        },
                        "file": {
                            "type": "string",
                            "contentMediaType": "application/octet-stream",
                            "description": "One file. Its part may carry Repr-Digest with sha-256 (RFC 9530)",
                        },
                    },
                }
            }
        },
    },
}
