"""One upload: fields and a file in, what the server stored out. Small files are one request, large ones resumable."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from artstore_client.config import Config
from artstore_client.errors import ArtStoreClientError, IntegrityError
from artstore_client.models import StoredFile, listed, parse
from artstore_client.multipart import Field, MultipartForm
from artstore_client.resumable.patience import Patience, Pause, passes
from artstore_client.resumable.sending import Ways
from artstore_client.resumable.store import store
from artstore_client.source import Source
from artstore_client.transport import Call, Transport

UPLOAD_PATH = "/api/v1/files/upload"


def form_fields(
    *,
    description: str | None,
    tags: Sequence[str],
    metadata: Mapping[str, Any] | None,
    retention_policy: str | None,
    ttl_days: int | None,
) -> list[Field]:
    """The form's fields, those that choose the storage element first. What is not given is not sent."""
    fields: list[Field] = []
    if retention_policy is not None:
        fields.append(("retention_policy", retention_policy))
    if ttl_days is not None:
        fields.append(("ttl_days", str(ttl_days)))
    if description is not None:
        fields.append(("description", description))
    if tags:
        # One JSON array and not repeated fields, among which a tag such as `[draft]` would be taken for an array.
        fields.append(("tags", json.dumps(listed("tags", tags), ensure_ascii=False)))
    if metadata is not None:
        fields.append(("metadata", json.dumps(dict(metadata), ensure_ascii=False)))
    return fields


async def send(
    transport: Transport,
    config: Config,
    source: Source,
    fields: Sequence[Field],
    ways: Ways,
    *,
    filename: str | None,
    resume: bool,
) -> StoredFile:
    """In the way that fits the file's size."""
    name = filename or source.name or "unnamed"
    if source.size is not None and source.size >= ways.policy.resumable_from:
        return await store(transport, config, source, fields, ways, filename=name, resume=resume)
    await source.hash_first()
    return await _as_one_request(transport, source, fields, ways, name)


async def _as_one_request(
    transport: Transport, source: Source, fields: Sequence[Field], ways: Ways, filename: str
) -> StoredFile:
    """Sends the file and checks what the server says it stored.

    Sent again under the same Idempotency-Key, even where the answer was lost: it is one file, whichever attempt stored
    it. Only what cannot be rewound is sent once.
    """
    form = MultipartForm(fields, filename=filename, file_headers=_part_headers(source))

    def body() -> AsyncIterable[bytes]:
        return form.body(source.pieces(ways.on_progress))

    headers = {"Content-Type": form.content_type}
    if source.size is not None:
        headers["Content-Length"] = str(form.length(source.size))
    call = Call(
        "POST",
        UPLOAD_PATH,
        headers=headers,
        body=body,
        idempotent=source.replayable,
        replayable=source.replayable,
        patient=True,
        key=str(uuid4()),
    )
    stored = parse(StoredFile, await _patiently(transport, call, ways))
    if source.sha256 is not None and stored.checksum != source.sha256.hex():
        raise IntegrityError(f"{stored.file_id} was stored with another checksum than the file that was sent")
    return stored


async def _patiently(transport: Transport, call: Call, ways: Ways) -> Any:
    """The transport's own attempts, again and again while the weather is bad and there is time."""
    patience = Patience(replace(ways.policy, attempts=1), ways.retry, Pause(), on_note=ways.on_note)
    while True:
        try:
            return await transport.json(call)
        except ArtStoreClientError as error:
            if not call.replayable or not passes(error):
                raise
            await patience.after(error)


def _part_headers(source: Source) -> dict[str, str]:
    headers = {"Content-Type": source.content_type}
    if source.sha256 is not None:  # RFC 9530 §3, with the byte sequence of RFC 8941 §3.3.5
        headers["Repr-Digest"] = f"sha-256=:{base64.b64encode(source.sha256).decode()}:"
    return headers
