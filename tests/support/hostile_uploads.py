"""Uploads that nobody sends who means well, byte by byte: for the service itself and through the gateway."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import json
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

UPLOAD = "/api/v1/files/upload"
UPLOADS = "/api/v1/uploads"
BOUNDARY = "7d3f2a"
FORM = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
BYTES = "Content-Type: application/offset+octet-stream"
MIB = 1024 * 1024
LARGE = bytes(range(256)) * (2 * MIB // 256)
"""More than is held in memory: an element has the first of it before the last is read."""
_ANSWER_SECONDS = 90


def part(head: bytes | str, content: bytes = b"x", *headers: bytes | str) -> bytes:
    """`head`: the whole value of its Content-Disposition."""
    lines = [b"Content-Disposition: " + _bytes(head), *map(_bytes, headers)]
    return b"--" + BOUNDARY.encode() + b"\r\n" + b"\r\n".join(lines) + b"\r\n\r\n" + content + b"\r\n"


def file(content: bytes = b"hello", name: bytes | str = "a.txt", *headers: bytes | str) -> bytes:
    return part(b'form-data; name="file"; filename="' + _bytes(name) + b'"', content, *headers)


def field(name: str, value: bytes | str = "x") -> bytes:
    return part(f'form-data; name="{name}"', _bytes(value))


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def metadata(name: str) -> str:
    return f"Upload-Metadata: filename {base64.b64encode(name.encode()).decode()}"


def digest(content: bytes) -> str:
    return f"Repr-Digest: sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


def _bytes(text: bytes | str) -> bytes:
    return text.encode() if isinstance(text, str) else text


@dataclass(frozen=True)
class Case:
    """`status` and `code` of the answer; None where the connection may end without one, for its client broke off.

    `length`: what Content-Length says; "" leaves it out. `hangs_up`: the client sends no more, and says so; otherwise it
    waits for an answer.
    """

    name: str
    body: bytes
    status: int | None = 400
    code: str = "VALIDATION_ERROR"
    headers: Sequence[bytes | str] = (FORM,)
    length: int | str | None = None
    method: str = "POST"
    path: str = UPLOAD
    hangs_up: bool = False

    def __str__(self) -> str:
        return self.name

    def request(self, host: str, token: str) -> bytes:
        length = len(self.body) if self.length is None else self.length
        lines: list[bytes | str] = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}", f"Authorization: {token}"]
        lines += [*self.headers, *([] if length == "" else [f"Content-Length: {length}"]), "Connection: close"]
        return b"\r\n".join(map(_bytes, lines)) + b"\r\n\r\n" + self.body


@dataclass(frozen=True)
class Answer:
    status: int | None
    code: str | None
    text: str

    @classmethod
    def of(cls, received: bytes) -> Answer:
        """Of the last answer; what is no error in the agreed form has no code."""
        head, _, content = received.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 "):
            return cls(None, None, received.decode("latin-1"))
        text = content.decode("utf-8", "replace")
        try:
            code = json.loads(text)["error"]["code"]
        except (ValueError, KeyError, TypeError):
            code = None
        return cls(int(head[9:12]), code, text)


def send(url: str, case: Case, token: str) -> Answer:
    """Whatever it is, as it is."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port or 80), timeout=_ANSWER_SECONDS) as connection:
        with contextlib.suppress(ConnectionError):  # it may be refused before all of it is sent
            connection.sendall(case.request(address.netloc, token))
            if case.hangs_up:
                connection.shutdown(socket.SHUT_WR)
        return Answer.of(_received(connection))


def _received(connection: socket.socket) -> bytes:
    """One answer. Its connection need not be closed by then: Envoy lingers."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while not _is_whole(received) and (piece := connection.recv(65536)):
            received += piece
    return received


def _is_whole(received: bytes) -> bool:
    head, end, content = received.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    return bool(end) and length is not None and len(content) >= int(length[1])


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


_CHUNKED: Sequence[bytes | str] = (FORM, "Transfer-Encoding: chunked")
_SMALL = body(file())
BOMB = gzip.compress(bytes(64 * MIB), 9, mtime=0)
"""64 KiB that would become 64 MiB."""

LENGTHS = [
    Case("more announced than sent, and gone", _SMALL, None, length=len(_SMALL) + 100, hangs_up=True),
    Case("more announced than sent of a large file", body(file(LARGE)), None, length=3 * MIB, hangs_up=True),
    Case("less announced than sent", _SMALL, length=len(_SMALL) - 10),
    Case("less announced than sent of a large file", body(file(LARGE)), length=len(LARGE)),
    Case("a negative length", _SMALL, length=-5),
    Case("a length with a sign", _SMALL, length=f"+{len(_SMALL)}"),
    Case("a length in words", _SMALL, length="all"),
    Case("a length of thirty digits", _SMALL, length="9" * 30),
    Case("two lengths", _SMALL, headers=(FORM, "Content-Length: 5")),
    Case("a length and chunks", chunked(_SMALL), headers=_CHUNKED),
    Case("chunks of no number", b"zz\r\nhello\r\n", headers=_CHUNKED, length=""),
    Case("a chunk of a yottabyte", b"F" * 21 + b"\r\nhello", headers=_CHUNKED, length=""),
    Case("a chunk that is longer than it says", b"3\r\nhello\r\n0\r\n\r\n", headers=_CHUNKED, length=""),
    Case("chunks that break off", chunked(_SMALL)[:40], None, headers=_CHUNKED, length="", hangs_up=True),
    Case("chunks without a last one", chunked(_SMALL)[:-5], None, headers=_CHUNKED, length="", hangs_up=True),
]
"""What the gateway's parser refuses and what the service's does is the same to a client: 400, or a closed connection."""

FORMS = [
    Case("no body", b""),
    Case("nothing but the closing boundary", body()),
    Case("another boundary", _SMALL.replace(b"7d3f2a", b"ffffff")),
    Case("a boundary with nothing in it", _SMALL, headers=("Content-Type: multipart/form-data; boundary=",)),
    Case("no boundary", _SMALL, headers=("Content-Type: multipart/form-data",)),
    Case("a boundary of 300 letters", _SMALL, headers=(f"Content-Type: multipart/form-data; boundary={'x' * 300}",)),
    Case("no closing boundary", _SMALL[:-4]),
    Case("no closing boundary after a large file", body(file(LARGE))[:-4]),
    Case("an epilogue without end", _SMALL + bytes(2 * MIB)),
    Case("a preamble without end", bytes(2 * MIB)),
    Case("a part without a name", body(part("form-data"), file())),
    Case("a file without a name", body(part('form-data; filename="a.txt"'))),
    Case("a part without a disposition", b"--7d3f2a\r\nX-A: b\r\n\r\nx\r\n--7d3f2a--\r\n"),
    Case("a part without headers", b"--7d3f2a\r\n\r\nx\r\n--7d3f2a--\r\n"),
    Case("a header without end", b"--7d3f2a\r\nX-A: " + b"y" * MIB),
    Case("a header's name without end", b"--7d3f2a\r\n" + b"y" * MIB),
    Case("headers without end", b"--7d3f2a\r\n" + b"X-A: b\r\n" * 10_000),
    Case("10,000 fields", body(*[field("tags", str(number)) for number in range(10_000)], file())),
    Case("10,000 fields after a large file", body(file(LARGE), *[field("tags", str(at)) for at in range(10_000)])),
    Case("a field of a megabyte", body(field("description", b"x" * MIB), file())),
    Case("a field of a megabyte after the file", body(file(LARGE), field("description", b"x" * MIB))),
    Case("an unknown field", body(field("colour"), file())),
    Case("an unknown field after a large file", body(file(LARGE), field("colour"))),
    Case("a field that is no UTF-8", body(field("description", b"\xff\xfe"), file())),
    Case("a field with NUL", body(field("description", b"a\0b"), file())),
    Case("metadata a thousand levels deep", body(field("metadata", '{"a":' * 1000 + "1" + "}" * 1000), file())),
    Case("two files", body(file(), file())),
    Case("two files, the first large", body(file(LARGE), file())),
    Case("a file by another field's name", body(part('form-data; name="photo"; filename="a.txt"'))),
    Case("a file that is none", body(part('form-data; name="file"'))),
    Case("base64", body(file(b"aGVsbG8=", "a.txt", "Content-Transfer-Encoding: base64"))),
    Case("a wrong digest", body(file(b"hello", "a.txt", digest(b"other"))), 400, "CHECKSUM_MISMATCH"),
    Case("a wrong digest of a large file", body(file(LARGE, "a.bin", digest(b"x"))), 400, "CHECKSUM_MISMATCH"),
    Case("a digest that is none", body(file(b"hello", "a.txt", "Repr-Digest: sha-256=:AAAA:"))),
    Case("a bomb", BOMB, headers=(FORM, "Content-Encoding: gzip")),
    Case(
        "a form within a bomb",
        gzip.compress(_SMALL + bytes(64 * MIB), mtime=0),
        headers=(FORM, "Content-Encoding: gzip"),
    ),
    Case("an encoding nobody knows", _SMALL, headers=(FORM, "Content-Encoding: zip, identity")),
    Case("temporary for no days", body(field("retention_policy", "temporary"), field("ttl_days", "0"), file())),
    Case("days of a thousand digits", body(field("ttl_days", "9" * 1000), file())),
    Case("a program", body(file(b"MZ" + bytes(58) + b"\x40\0\0\0PE\0\0", "a.pdf")), 415, "TYPE_NOT_ALLOWED"),
    Case("a program by its name", body(file(b"hi", "\u202egpj.scr")), 415, "TYPE_NOT_ALLOWED"),
    Case("a large program", body(file(b"\x7fELF" + LARGE, "a.pdf")), 415, "TYPE_NOT_ALLOWED"),
]

NAMES = [
    Case("no name", body(file(name=""))),
    Case("a name that is a directory", body(file(name=".."))),
    Case("NUL in a name", body(file(name=b"a\0b.txt"))),
    Case("NUL in a name, encoded", body(part("form-data; name=\"file\"; filename*=UTF-8''a%00b.txt"))),
    Case("a line break in a name, as browsers write it", body(file(name="a%0D%0AX-Evil: 1.txt"))),
    Case("a line break in a name, encoded", body(part("form-data; name=\"file\"; filename*=UTF-8''a%0D%0Ab"))),
    Case("a header injected by a name", body(file(name=b"a\r\nX-Evil: 1\r\n\r\n<script>"))),
    Case("a name of 2,000 letters", body(file(name="я" * 2000))),
    Case("a name that is no UTF-8", body(file(name=b"\xff\xfe.txt"))),
    Case("a name that is no UTF-8, encoded", body(part("form-data; name=\"file\"; filename*=UTF-8''%FF"))),
    Case("half of a surrogate pair in a name", body(file(name=b"\xed\xa0\x80.txt"))),
    Case("two names", body(part('form-data; name="file"; filename="a"; filename="b"'))),
    Case("a quote that is never closed", body(part('form-data; name="file"; filename="a.txt'))),
]
"""Refused: they would end a header, or could not be shown."""

KEPT = [
    "../../etc/passwd",
    "..\\..\\boot.ini",
    "/etc/passwd",
    "C:\\a.txt",
    "\u202egpj.txt",
    "<b>'\".txt",
    "💾" * 200,
    "%2e%2e%2fa",
]
"""Names like any other: for people to read, and nothing makes a path of them."""


def tus_cases(path: str) -> list[Case]:
    """`path`: of an upload of 10 bytes that has none yet."""
    patch = ("Tus-Resumable: 1.0.0", BYTES, "Upload-Offset: 0")
    begin = ("Tus-Resumable: 1.0.0", "Upload-Length: 5")
    # SHA-1 of something else.
    other = "Upload-Checksum: sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="

    def patched(
        name: str, content: bytes, status: int | None = 400, code: str = "VALIDATION_ERROR", **told: object
    ) -> Case:
        given: dict[str, object] = {"headers": patch, "method": "PATCH", "path": path} | told
        return Case(name, content, status, code, **given)  # type: ignore[arg-type]

    def begun(name: str, *headers: bytes | str, status: int = 400, code: str = "VALIDATION_ERROR") -> Case:
        return Case(f"tus: {name}", b"", status, code, headers=(*begin, *headers), path=UPLOADS)

    return [
        patched("tus: more bytes than the upload has", b"x" * 11, 413, "FILE_TOO_LARGE"),
        patched(
            "tus: more bytes in chunks than the upload has",
            chunked(b"x" * 11),
            413,
            "FILE_TOO_LARGE",
            headers=(*patch, "Transfer-Encoding: chunked"),
            length="",
        ),
        patched("tus: a wrong checksum", b"helloworld", 460, "CHECKSUM_MISMATCH", headers=(*patch, other)),
        patched("tus: a bomb", BOMB[:10], headers=(*patch, "Content-Encoding: gzip")),
        patched("tus: an offset beyond the end", b"x", 409, "CONFLICT", headers=(*patch[:2], "Upload-Offset: 11")),
        patched("tus: an offset of forty digits", b"x", headers=(*patch[:2], f"Upload-Offset: {'9' * 40}")),
        patched("tus: a negative offset", b"x", headers=(*patch[:2], "Upload-Offset: -1")),
        patched("tus: no offset", b"x", headers=patch[:2]),
        patched("tus: a form", _SMALL, 415, "TYPE_NOT_ALLOWED", headers=(patch[0], FORM, patch[2])),
        patched("tus: chunks of no number", b"zz\r\nhello", headers=(*patch, "Transfer-Encoding: chunked"), length=""),
        patched("tus: two lengths", b"hello", headers=(*patch, "Content-Length: 6")),
        patched("tus: a negative length", b"hello", length=-5),
        begun("NUL in a name", metadata("a\0b")),
        begun("a header injected by a name", metadata("a\r\nX-Evil: 1")),
        begun("a name that is no UTF-8", "Upload-Metadata: filename /w=="),
        begun("10,000 keys", "Upload-Metadata: " + ",".join(f"k{number}" for number in range(5000))),
        begun("a program by its name", metadata("\u202egpj.scr"), status=415, code="TYPE_NOT_ALLOWED"),
        Case("tus: a length of forty digits", b"", headers=(begin[0], f"Upload-Length: {'9' * 40}"), path=UPLOADS),
        begun("a policy nobody knows", "Upload-Metadata: retention_policy " + base64.b64encode(b"x").decode()),
    ]


def left_on(root: Path) -> dict[str, int]:
    """Every file of an element and its size: data, staging, quarantine; and its log, which is to be asked for after a
    checkpoint, for then it has only what is not done yet. Not its index, a database that only grows."""
    found = {path: path.stat().st_size for path in sorted(root.rglob("*")) if path.is_file()}
    log = sum(size for path, size in found.items() if path.parent.name == "wal")
    rest = {path: size for path, size in found.items() if path.parent.name != "wal" and path.suffix != ".sqlite"}
    return {"wal": log} | {
        str(path.relative_to(root)): size for path, size in rest.items() if not path.name.startswith("index.")
    }
