"""What a decoder wrote, as it is kept: its name, size and checksum."""

from __future__ import annotations

import hashlib
from typing import Final

from render_service.decoders.contract import Output, RenditionKind
from render_service.renditions.rendition import NewRendition

_EXTENSIONS: Final = {"image/webp": "webp", "image/png": "png", "image/jpeg": "jpg", "application/json": "json"}
TILES: Final = "tiles.pack"


def described(output: Output) -> NewRendition:
    """Reads the file once; call it in a thread."""
    with output.path.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
    return NewRendition(
        name=_name(output),
        kind=output.kind,
        page=output.page,
        width=output.width,
        height=output.height,
        media_type=output.media_type,
        size=size,
        checksum=checksum,
        details=dict(output.details),
    )


def _name(output: Output) -> str:
    """`page-12-1024.webp`: of the same kind, page and width there is one of each format."""
    page = f"-{output.page}" if output.page is not None and output.kind is not RenditionKind.THUMB else ""
    if output.kind is RenditionKind.TILE:
        return f"tiles{page}.pack"
    width = "" if output.kind is RenditionKind.THUMB else f"-{output.width}"
    return f"{output.kind.value}{page}{width}.{_EXTENSIONS.get(output.media_type, 'bin')}"
