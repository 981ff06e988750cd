"""What the first bytes of a file say by themselves: programs, text, and everything that has a signature."""

from __future__ import annotations

import codecs
import re
from typing import Final

import puremagic

_ELF: Final = b"\x7fELF"
_MACH_O: Final = (
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xbe\xba\xfe\xca",
    b"\xca\xfe\xba\xbf",
)
_FAT_OR_JAVA: Final = b"\xca\xfe\xba\xbe"  # Apple's fat binaries and Java classes share it
_FIRST_JAVA_VERSION: Final = 45  # a fat binary counts its architectures there: never that many
_SCRIPT: Final = re.compile(rb"(?:\xef\xbb\xbf)?#!\s*/")
_PE_POINTER: Final = slice(0x3C, 0x40)

_TEXT_CONTROLS: Final = frozenset(range(32)) - {9, 10, 12, 13, 27}
_NOT_TEXT: Final = re.compile(b"[" + re.escape(bytes(sorted(_TEXT_CONTROLS | {127}))) + b"]")
_TEXT_SAMPLE: Final = 64 * 1024
_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Atomic groups: comments can be cut up in exponentially many ways, and a hostile file would have them all tried.
_HTML: Final = re.compile(
    rb"\s*(?>(?:<!--.*?-->\s*)*)<(?:!doctype\s+html|html|head|body|script)\b", re.IGNORECASE | re.DOTALL
)
_SVG: Final = re.compile(
    rb"\s*(?>(?:<\?xml[^>]*>\s*)?)(?>(?:<!--.*?-->\s*|<!doctype\s+svg[^>]*>\s*)*)<svg\b", re.IGNORECASE | re.DOTALL
)
_XML: Final = re.compile(rb"\s*<\?xml\b")
_MARKUP_SAMPLE: Final = 4096
_TEXTUAL: Final = re.compile(r"text/|application/(json|xml|javascript|yaml|sql|x-sh|.*\+(json|xml))|message/|image/svg")
_WRITTEN_IN_TEXT: Final = frozenset({"application/pdf", "application/rtf", "application/postscript"})
"""Binary formats that may begin, or even consist, of text."""

_SURE_BYTES: Final = 3
"""A shorter signature is met by chance in ordinary data; it counts when the extension says the same."""
_BETTER_NAMES: Final = {
    "application/ogg": "audio/ogg",
    "application/x-gzip": "application/gzip",
    "audio/wave": "audio/wav",
    "audio/x-wav": "audio/wav",
    "image/x-ms-bmp": "image/bmp",
    "image/heif": "image/heic",
    "image/vnd.djvu+multipage": "image/vnd.djvu",
    "video/avi": "video/x-msvideo",
}
"""The registered name, where the signature table has an older one (IANA media types)."""


def executable_type(head: bytes) -> str | None:
    """ELF, PE and DOS, Mach-O, Java classes, scripts with `#!`."""
    if head.startswith(_ELF):
        return "application/x-executable"
    if head.startswith(_MACH_O):
        return "application/x-mach-binary"
    if head.startswith(_FAT_OR_JAVA):
        java = int.from_bytes(head[6:8], "big") >= _FIRST_JAVA_VERSION and head[4:8] != b"\0\0\0\0"
        return "application/java-vm" if java else "application/x-mach-binary"
    if head.startswith(b"MZ") and _is_dos(head):
        return "application/vnd.microsoft.portable-executable"
    return "text/x-shellscript" if _SCRIPT.match(head) else None


def _is_dos(head: bytes) -> bool:
    """A note that begins with the letters MZ is not a program."""
    pointer = int.from_bytes(head[_PE_POINTER], "little")
    return head[pointer : pointer + 2] in (b"PE", b"NE", b"LE", b"LX") or not is_text(head)


def is_text(head: bytes) -> bool:
    """UTF-8, or UTF-16 with its mark, without control characters that no text has."""
    sample = head[:_TEXT_SAMPLE]
    if sample.startswith(_UTF16):
        decoder = codecs.getincrementaldecoder("utf-16")()
    elif _NOT_TEXT.search(sample):
        return False
    else:
        decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        # Not final: the sample may end inside of a character.
        return "\0" not in decoder.decode(sample)
    except UnicodeDecodeError:
        return False


def text_type(head: bytes, guess: str | None) -> str | None:
    """The type of a text; None for what is no text. `guess` is what the extension says.

    Markup is named for what it is whatever the extension, so that no page is ever served as harmless plain text.
    """
    if not is_text(head):
        # Text in an older encoding has no mark of its own: the extension says so and nothing speaks against it.
        old_encoding = guess is not None and guess.startswith("text/") and not _NOT_TEXT.search(head[:_TEXT_SAMPLE])
        return guess if old_encoding and _first_signature(head) is None else None
    if (signed := _first_signature(head)) in _WRITTEN_IN_TEXT:
        return signed
    start = head[:_MARKUP_SAMPLE].removeprefix(codecs.BOM_UTF8)
    if _SVG.match(start):
        return "image/svg+xml"
    if guess is not None and _TEXTUAL.match(guess) and not guess.startswith("text/plain"):
        return guess
    if _HTML.match(start):
        return "text/html"
    if _XML.match(start):
        return "application/xml"
    return "text/plain"


def signature_type(head: bytes, ending: str, guess: str | None) -> str | None:
    """The type by signature; of several, the one whose extension the file has, otherwise the longest signature."""
    found = [match for match in _signatures(head) if match.mime_type]
    same = [match for match in found if match.extension.lstrip(".") == ending]
    sure = [match for match in found if len(match.byte_match) >= _SURE_BYTES]
    if not (same or sure):
        return None
    best = max(same or sure, key=lambda match: len(match.byte_match))
    # `.jpg` is not in the table though `.jpeg` is: the extension's own type wins where a signature agrees with it.
    if any(_named(match.mime_type) == guess for match in sure):
        return guess
    return _named(best.mime_type)


def _first_signature(head: bytes) -> str | None:
    sure = (match for match in _signatures(head) if match.mime_type and len(match.byte_match) >= _SURE_BYTES)
    return next((_named(match.mime_type) for match in sure), None)


def _signatures(head: bytes) -> list[puremagic.PureMagicWithConfidence]:
    try:
        return puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return []


def _named(kind: str) -> str:
    return _BETTER_NAMES.get(kind, kind)
