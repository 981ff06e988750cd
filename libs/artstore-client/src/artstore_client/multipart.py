"""A multipart/form-data body (RFC 7578) that streams one file and knows its exact length.

httpx has an encoder of its own; it reads the file in 64 KiB pieces on the event loop, so that a slow disk stalls every
other transfer. Here pieces of 1 MiB are read in worker threads.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from urllib.parse import quote

Field = tuple[str, str]


class MultipartForm:
    """Fields, then the file, in this order: what chooses the storage element must come before the bytes (G1).

    `file_headers` stand in the file part (`Content-Type`, `Repr-Digest`).
    """

    def __init__(self, fields: Sequence[Field], *, filename: str, file_headers: Mapping[str, str]) -> None:
        self._boundary = secrets.token_hex(16)
        self._head = b"".join(self._field(name, value) for name, value in fields) + self._opening(
            filename, file_headers
        )
        self._tail = f"\r\n--{self._boundary}--\r\n".encode()

    @property
    def content_type(self) -> str:
        return f"multipart/form-data; boundary={self._boundary}"

    def length(self, file_size: int) -> int:
        """The bytes of the whole body when the file has `file_size`."""
        return len(self._head) + file_size + len(self._tail)

    async def body(self, pieces: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        yield self._head
        async for piece in pieces:
            yield piece
        yield self._tail

    def _field(self, name: str, value: str) -> bytes:
        head = f'--{self._boundary}\r\nContent-Disposition: form-data; name="{quoted(name)}"\r\n\r\n'
        return head.encode() + value.encode() + b"\r\n"

    def _opening(self, filename: str, headers: Mapping[str, str]) -> bytes:
        disposition = f'form-data; name="file"; filename="{quoted(filename)}"'
        if "%" in filename:
            # ArtStore takes `%22` in the plain form for a quote, as browsers mean it. This one means what it says (RFC 8187).
            disposition += f"; filename*=UTF-8''{quote(filename, safe='')}"
        lines = [
            f"--{self._boundary}",
            f"Content-Disposition: {disposition}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


def quoted(text: str) -> str:
    """The inside of a quoted-string: UTF-8 as it is (RFC 7578 §5.1), `"` and `\\` escaped (RFC 9110 §5.6.4).

    Not `%22`, as browsers do: that would come out as the name itself. Control characters are percent-encoded, for a
    line break here would start a header of the file's choosing.
    """
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return "".join(f"%{ord(char):02X}" if ord(char) < 32 or ord(char) == 127 else char for char in text)
