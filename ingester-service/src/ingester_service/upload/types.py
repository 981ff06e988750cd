"""What kind of file is it, and may it come in (requirement G6)."""

from __future__ import annotations

import mimetypes
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from artstore_core.errors import TypeNotAllowed

from ingester_service.upload.containers import office_type, zip_type
from ingester_service.upload.signatures import executable_type, signature_type, text_type

UNKNOWN: Final = "application/octet-stream"

BLOCKED_TYPES: Final = frozenset(
    {
        "application/java-archive",
        "application/java-vm",
        "application/vnd.android.package-archive",
        "application/vnd.microsoft.portable-executable",
        "application/x-executable",
        "application/x-mach-binary",
        "application/x-msi",
        "text/x-shellscript",
    }
)
# fmt: off
BLOCKED_EXTENSIONS: Final = frozenset({
    "apk", "app", "appimage", "bat", "cmd", "com", "cpl", "deb", "dll", "dmg", "elf", "exe", "hta", "jar", "jse",
    "lnk", "msi", "msp", "pif", "ps1", "psm1", "reg", "rpm", "scr", "sh", "sys", "vbe", "vbs", "wsf", "wsh",
})
# fmt: on

_MORE_EXTENSIONS: Final = {
    ".7z": "application/x-7z-compressed",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".epub": "application/epub+zip",
    ".fb2": "application/x-fictionbook+xml",
    ".flac": "audio/flac",
    ".gz": "application/gzip",
    ".log": "text/plain",
    ".m4a": "audio/mp4",
    ".md": "text/markdown",
    ".mkv": "video/x-matroska",
    ".odp": "application/vnd.oasis.opendocument.presentation",
    ".ods": "application/vnd.oasis.opendocument.spreadsheet",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".ogg": "audio/ogg",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".rar": "application/vnd.rar",
    ".rtf": "application/rtf",
    ".webp": "image/webp",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}


def _known_extensions() -> mimetypes.MimeTypes:
    # An instance of our own: the module's functions read the machine's files, and two machines would then disagree.
    known = mimetypes.MimeTypes()
    for extension, kind in _MORE_EXTENSIONS.items():
        known.add_type(kind, extension)
    return known


_BY_EXTENSION: Final = _known_extensions()


_SEPARATORS: Final = re.compile(r"[\\/]")


def extension(filename: str) -> str:
    """The last extension in lower case without its dot; "" without one.

    Compatibility forms are folded and trailing dots and spaces dropped, because Windows does both: `a.exe.` is run as
    `a.exe`, and so is one whose `e` is full-width. Invisible characters of direction (`Cf`) hide nothing either.
    """
    folded = unicodedata.normalize("NFKC", filename)
    seen = "".join(char for char in folded if unicodedata.category(char) != "Cf")
    name = _SEPARATORS.split(seen.rstrip(" ./\\"))[-1]
    _, dot, last = name.rpartition(".")
    return last.strip().lower() if dot else ""


def type_of_extension(filename: str) -> str | None:
    ending = extension(filename)
    return _BY_EXTENSION.types_map[True].get(f".{ending}") if ending else None


def detect(filename: str, head: bytes) -> str:
    """The content type of a file whose first bytes are `head` (up to 1 MiB, or all of it).

    What the bytes say counts most; the extension chooses among what they leave open; the client's word is not asked.
    """
    if not head:
        return type_of_extension(filename) or UNKNOWN
    ending, guess = extension(filename), type_of_extension(filename)
    return (
        executable_type(head)
        or zip_type(head, guess)
        or office_type(head, ending, guess)
        or text_type(head, guess)
        or signature_type(head, ending, guess)
        or guess
        or UNKNOWN
    )


@dataclass(frozen=True, slots=True)
class TypePolicy:
    """Which files are refused. Both lists are the operator's; types compare without parameters."""

    blocked_types: Collection[str] = BLOCKED_TYPES
    blocked_extensions: Collection[str] = BLOCKED_EXTENSIONS

    def admit_name(self, filename: str) -> None:
        """Before any byte is read. Raises TypeNotAllowed."""
        if (ending := extension(filename)) in self.blocked_extensions:
            raise TypeNotAllowed("Files of this type are not accepted", details={"file": f"extension .{ending}"})

    def admit(self, filename: str, head: bytes) -> str:
        """The content type of a file that may come in. Raises TypeNotAllowed."""
        self.admit_name(filename)
        kind = detect(filename, head)
        if kind.partition(";")[0].strip().lower() in self.blocked_types:
            raise TypeNotAllowed("Files of this type are not accepted", details={"file": f"content is {kind}"})
        return kind
