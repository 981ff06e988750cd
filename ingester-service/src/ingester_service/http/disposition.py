"""Content-Disposition of a part (RFC 7578 §4.2, RFC 2183), as browsers, curl and libraries really write it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from artstore_core.errors import ValidationFailed

_PARAMETER: Final = re.compile(
    r"[ \t]*;[ \t]*(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*"
    r'(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<token>[^;"\s]*))[ \t]*',
    re.DOTALL,
)
_KIND: Final = re.compile(r"[ \t]*([A-Za-z-]+)[ \t]*")
_ESCAPED: Final = re.compile(r'\\(["\\])')
_BROWSER_ESCAPED: Final = re.compile(r"%(22|0D|0A)", re.IGNORECASE)
_EXTENDED: Final = re.compile(r"(?P<charset>[A-Za-z0-9-]+)'[A-Za-z0-9-]*'(?P<value>.*)", re.DOTALL)
_MAX_SECTIONS: Final = 20


@dataclass(frozen=True, slots=True)
class Disposition:
    """`filename` is None for a field that is no file. It is kept as given, separators and all: it is for people to read
    and to search, and nothing makes a path of it."""

    name: str
    filename: str | None


def parse_disposition(header: str) -> Disposition:
    """Raises ValidationFailed, naming the part where its name is known."""
    kind = _KIND.match(header)
    if kind is None or kind[1].lower() != "form-data":
        raise _malformed("must be form-data")
    parameters = _parameters(header, kind.end())
    if not parameters.get("name"):
        raise _malformed("a part has no name")
    return Disposition(parameters["name"], _filename(parameters))


def _parameters(header: str, at: int) -> dict[str, str]:
    found: dict[str, str] = {}
    while at < len(header):
        match = _PARAMETER.match(header, at)
        if match is None:
            raise _malformed("Content-Disposition cannot be read")
        name = match["name"].lower()
        if name in found:
            raise _malformed(f"Content-Disposition has {name} twice")
        found[name] = _unquoted(match)
        at = match.end()
    return found


def _unquoted(match: re.Match[str]) -> str:
    if match["quoted"] is None:
        return match["token"]
    # A lone backslash stays: it belongs to the name (a Linux file may have one, old browsers send C:\scans\a.pdf).
    plain = _ESCAPED.sub(r"\1", match["quoted"])
    # The only three that browsers escape so (WHATWG HTML, "multipart/form-data encoding algorithm").
    return _BROWSER_ESCAPED.sub(lambda escaped: chr(int(escaped[1], 16)), plain)


def _filename(parameters: dict[str, str]) -> str | None:
    """`filename*` outranks `filename` (RFC 6266 §4.3); long ones come in numbered sections (RFC 2231 §3)."""
    if "filename*" in parameters:
        return _decoded(parameters["filename*"])
    if "filename*0" in parameters or "filename*0*" in parameters:
        return _joined(parameters)
    return parameters.get("filename")


def _joined(parameters: dict[str, str]) -> str:
    text, charset = b"", "utf-8"
    for number in range(_MAX_SECTIONS):
        plain, extended = parameters.get(f"filename*{number}"), parameters.get(f"filename*{number}*")
        if extended is not None:
            if number == 0:
                charset, extended = _charset_and_value(extended)
            text += unquote_to_bytes(extended)
        elif plain is not None:
            text += plain.encode()
        else:
            break
    return _text(text, charset)


def _decoded(value: str) -> str:
    """RFC 8187 §3.2: charset'language'percent-encoded bytes."""
    charset, encoded = _charset_and_value(value)
    return _text(unquote_to_bytes(encoded), charset)


def _charset_and_value(value: str) -> tuple[str, str]:
    match = _EXTENDED.fullmatch(value)
    if match is None or match["charset"].lower() not in ("utf-8", "iso-8859-1"):
        raise _malformed("filename* must be UTF-8''… (RFC 8187)")
    return match["charset"].lower(), match["value"]


def _text(data: bytes, charset: str) -> str:
    try:
        return data.decode(charset)
    except UnicodeDecodeError:
        raise _malformed("the file name is not valid UTF-8") from None


def _malformed(reason: str) -> ValidationFailed:
    return ValidationFailed("The multipart body cannot be read", details={"body": reason})
