"""Content-Disposition (RFC 6266), with names in any script (RFC 8187)."""

from __future__ import annotations

import re
from typing import Final, Literal
from urllib.parse import quote

Disposition = Literal["inline", "attachment"]

_RASTER: Final = frozenset(
    f"image/{kind}"
    for kind in ("apng", "avif", "bmp", "gif", "heic", "heif", "jpeg", "jxl", "png", "tiff", "webp", "x-icon")
)
_OTHERS: Final = frozenset({"application/pdf", "text/plain"})
_PLAYABLE: Final = re.compile(r"(audio|video)/[a-z0-9.+-]+")

# What RFC 8187's value-chars leaves unescaped beyond letters and digits.
_UNESCAPED: Final = "!#$&+-.^_`|~"
# A quoted-string could hold these, but browsers disagree on `%` and `\` in it (RFC 6266, appendix D).
_UNSAFE_IN_QUOTES: Final = re.compile(r'[^\x20-\x7e]|["\\%/]')
# Control characters break headers; those of direction let "exe.fdp" pass for "pdf.exe".
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def media_type(content_type: str) -> str:
    """The type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def may_show_inline(content_type: str) -> bool:
    """Whether a browser may show it in place: raster images, PDF, audio, video, plain text (requirement C6)."""
    kind = media_type(content_type)
    return kind in _RASTER or kind in _OTHERS or _PLAYABLE.fullmatch(kind) is not None


def content_disposition(filename: str, content_type: str, wanted: Disposition | None = None) -> str:
    """The header's value. Inline is granted only to safe types, and is what they get unless `attachment` is wanted.

    Both forms of the name are given: `filename` in ASCII for old clients, `filename*` in UTF-8 for all others.
    """
    kind = "inline" if wanted != "attachment" and may_show_inline(content_type) else "attachment"
    name = _UNPRINTABLE.sub("_", filename)
    plain = _UNSAFE_IN_QUOTES.sub("_", name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe=_UNESCAPED)}"
