"""Names from elsewhere, made safe: for a file system, and for a terminal.

The server gives back the name that somebody uploaded. It may hold `../../.bashrc`, escape sequences that rewrite the
terminal, or a right-to-left override that shows `exe.fdp` as `pdf.exe`.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

_MAX_BYTES = 240
"""Of 255 that file systems allow, so that a number may still be added."""

_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL, C1: U+009B alone starts an escape sequence on some terminals
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional marks, embeddings, overrides, isolates
    "\u2028\u2029"  # line and paragraph separator
    "\u200b\ufeff\U000e0000-\U000e007f"  # invisible: zero width space, byte order mark, tags
    "\ud800-\udfff"  # surrogates: no encoder takes them
    "]"
)


def for_path(name: str, fallback: str) -> str:
    """One component of a path: no separator, no leading dot or dash, nothing unseen, at most 240 bytes of UTF-8."""
    name = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    name = _UNSAFE.sub("_", name).strip().rstrip(".")
    if name[:1] in (".", "-"):  # hidden, `..`, or what the next command takes for an option
        name = "_" + name.lstrip(".-")
    if not name.strip("_"):
        return fallback
    return _shortened(name)


def _shortened(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix.encode()) > 16:
        stem, suffix = name, ""
    else:
        suffix = f".{suffix}"
    room = _MAX_BYTES - len(suffix.encode())
    return stem.encode()[:room].decode(errors="ignore") + suffix


def for_terminal(text: str) -> str:
    """The text on one line, with what a terminal would obey shown as `\\x1b` or `\\u202e`."""
    return _UNSAFE.sub(lambda match: _escape(match[0], "\\x{:02x}", "\\u{:04x}"), text)


def for_json(document: str) -> str:
    """The same for a JSON document: as `\\u001b`, so that a program reads the very same text."""
    return _UNSAFE.sub(lambda match: _escape(match[0], "\\u{:04x}", "\\u{:04x}"), document)


def _escape(char: str, short: str, long: str) -> str:
    code = ord(char)
    if code <= 0xFF:
        return short.format(code)
    if code <= 0xFFFF:
        return long.format(code)
    code -= 0x10000  # JSON knows the rest as a surrogate pair (RFC 8259 §7)
    return long.format(0xD800 + (code >> 10)) + long.format(0xDC00 + (code & 0x3FF))


def from_disposition(header: str) -> str | None:
    """The name in a `Content-Disposition` (RFC 6266 §4.3): `filename*` before `filename`. Not safe yet."""
    extended = re.search(r"filename\*\s*=\s*UTF-8'[^']*'([^;\s]+)", header, re.IGNORECASE)
    if extended:
        return unquote(extended[1], errors="replace")
    plain = re.search(r'filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))', header, re.IGNORECASE)
    if not plain:
        return None
    return re.sub(r"\\(.)", r"\1", plain[1]) if plain[1] is not None else plain[2]
