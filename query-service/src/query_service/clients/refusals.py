"""What a storage element says when it gives out no bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import httpx
from artstore_core.errors import (
    ArtStoreError,
    FileDamaged,
    InvalidRange,
    ModeNotAllowed,
    NotFound,
    PreconditionFailed,
    StorageUnavailable,
    UpstreamFailed,
)
from artstore_kit.logs import get_logger
from artstore_transfer import CONDITION_FAILED, OUTSIDE

from query_service.clients.patience import NotNow
from query_service.files.lookup import Home

_log = get_logger(__name__)

_SAID: Final[Mapping[str, ArtStoreError]] = {
    "NOT_FOUND": NotFound("There is no such file"),
    "FILE_DAMAGED": FileDamaged("The file is damaged, and its bytes are not given out"),
    "MODE_NOT_ALLOWED": ModeNotAllowed("The file is on a storage element that gives out no bytes now"),
    "PRECONDITION_FAILED": PreconditionFailed(CONDITION_FAILED),
}
_UNSAID: Final[Mapping[int, ArtStoreError]] = {404: _SAID["NOT_FOUND"], 409: _SAID["FILE_DAMAGED"]}
"""An answer to HEAD has no body that could say more; nor has ours."""
MAX_BODY_BYTES: Final = 64 * 1024


async def refusal(response: httpx.Response, home: Home) -> ArtStoreError:
    """The error that a client shall hear. The answer is closed."""
    status = response.status_code
    try:
        code = _code(await read_json(response))
    finally:
        await response.aclose()
    if status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
        outside = {"Content-Range": response.headers["content-range"]} if "content-range" in response.headers else {}
        return InvalidRange(OUTSIDE, headers=outside)
    said = _SAID.get(code)
    if response.request.method == "HEAD":
        said = _UNSAID.get(status)
    if said is not None and status == said.status:
        return type(said)(said.message)
    if status == httpx.codes.PRECONDITION_FAILED:
        return PreconditionFailed(CONDITION_FAILED)
    _log.error("element refused a download", storage_id=home.storage_id, status=status, code=code)
    if status == httpx.codes.SERVICE_UNAVAILABLE:
        return NotNow("The storage element that has this file cannot give it out now")
    if status == httpx.codes.NOT_FOUND:
        # Not an element's words: something between us and it has lost the way, and the file is where it was.
        return StorageUnavailable("The storage element that has this file cannot be reached now")
    return UpstreamFailed("The storage element did not give out the file")


async def read_json(response: httpx.Response) -> Any:
    """A small JSON body; None for everything else."""
    body = b""
    try:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                return None
        return httpx.Response(200, content=body).json()
    except (ValueError, httpx.HTTPError):
        return None


def _code(body: Any) -> str:
    try:
        return str(body["error"]["code"])
    except (KeyError, TypeError):
        return ""
