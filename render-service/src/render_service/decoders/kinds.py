"""Which files have previews: a closed list (requirement N7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from render_service.decoders.contract import MediaKind

_OPEN_DOCUMENT: Final = "application/vnd.oasis.opendocument."
_OPEN_XML: Final = "application/vnd.openxmlformats-officedocument."

_KINDS: Final[Mapping[MediaKind, tuple[str, ...]]] = {
    MediaKind.PDF: ("application/pdf",),
    MediaKind.IMAGE: (
        "image/jpeg",
        "image/png",
        "image/webp",
        "image/avif",
        "image/heic",
        "image/heif",
        "image/tiff",
        "image/gif",
        "image/svg+xml",
    ),
    MediaKind.OFFICE: (
        f"{_OPEN_XML}wordprocessingml.document",
        f"{_OPEN_XML}spreadsheetml.sheet",
        f"{_OPEN_XML}presentationml.presentation",
        f"{_OPEN_DOCUMENT}text",
        f"{_OPEN_DOCUMENT}spreadsheet",
        f"{_OPEN_DOCUMENT}presentation",
    ),
    MediaKind.VIDEO: (
        "video/mp4",
        "video/webm",
        "video/quicktime",
        "video/x-matroska",
        "video/x-msvideo",
        "video/mpeg",
    ),
    MediaKind.AUDIO: (
        "audio/mpeg",
        "audio/mp4",
        "audio/aac",
        "audio/flac",
        "audio/x-flac",
        "audio/ogg",
        "audio/wav",
        "audio/x-wav",
        "audio/vnd.wave",
        "audio/webm",
    ),
}
_BY_TYPE: Final = {content_type: kind for kind, types in _KINDS.items() for content_type in types}


def kind_of(content_type: str) -> MediaKind | None:
    """None where no preview can be made. Parameters (`; charset=…`) and case do not count (RFC 9110 §8.3.1)."""
    return _BY_TYPE.get(content_type.partition(";")[0].strip().lower())
