"""Hostile and broken input: status, error form, and nothing left on the disk."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

import pytest
from ingester_support import ElementProcess, Ingester
from tus_support import BYTES, UPLOADS, Case, Tus, metadata

FIVE = {"Upload-Length": "5"}


def said(header: str) -> dict[str, str | None]:
    return {**FIVE, "Upload-Metadata": header}


METADATA = [
    Case("bad base64", 400, said("filename !!!")),
    Case("base64 without padding", 400, said("filename YQ")),
    Case("no UTF-8", 400, said("filename /w==")),
    Case("NUL in a name", 400, said(metadata(filename="a\0.pdf"))),
    Case("line break in a name", 400, said(metadata(filename="a\r\nb.pdf"))),
    Case("a name of 2,000 letters", 400, said(metadata(filename="я" * 2000))),
    Case("a name that is a directory", 400, said(metadata(filename=".."))),
    Case("the same key twice", 400, said("filename YQ==,filename Yg==")),
    Case("an empty key", 400, said("filename YQ==,,x")),
    Case("tags that are no strings", 400, said(metadata(tags="[1]"))),
    Case("half of a surrogate pair", 400, said(metadata(tags='["\\ud800"]'))),
    Case("metadata that is a list", 400, said(metadata(metadata="[]"))),
    Case("metadata with NaN", 400, said(metadata(metadata='{"a": NaN}'))),
    Case("metadata, deep", 400, said(metadata(metadata='{"a":' * 100 + "1" + "}" * 100))),
    Case("metadata, very deep", 400, said(metadata(metadata="[" * 20_000))),
    Case("days without a policy", 400, said(metadata(ttl_days="3"))),
    Case("days in words", 400, said(metadata(retention_policy="temporary", ttl_days="ten"))),
    Case("too many days", 400, said(metadata(retention_policy="temporary", ttl_days="366"))),
    Case("an unknown policy", 400, said(metadata(retention_policy="forever"))),
    Case("a hundred and one keys", 400, said(",".join(f"k{number}" for number in range(101)))),
    Case("a program by another name", 415, said(metadata(filename="holiday.jpg.exe."))),
]


async def test_metadata(tus: Tus, rw: ElementProcess) -> None:
    for case in METADATA:
        answer = await tus.check(case, "POST", UPLOADS)
        assert answer.json()["error"]["code"] in ("VALIDATION_ERROR", "TYPE_NOT_ALLOWED"), case.name
        assert answer.json()["error"]["details"], case.name
    assert rw.files() == []


async def test_names_that_would_be_paths_are_only_names(tus: Tus, rw: ElementProcess) -> None:
    for name in ("../../etc/passwd", "C:\\windows\\a.txt", "\u202egpj.txt", "%2e%2e%2fa", "📎" * 200):
        answer = await tus.ask("POST", UPLOADS, {"Upload-Length": "0", "Upload-Metadata": metadata(filename=name)})
        assert (answer.status_code, answer.json()["original_filename"]) == (201, name)
    assert len(rw.data()) == 5


async def raw(ingester: Ingester, request: bytes) -> bytes:
    """What the server answers to bytes that no HTTP library would send."""
    address = urlsplit(str(ingester.http.base_url))
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(request)
    await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    return answer


async def test_lying_lengths(ingester: Ingester, tus: Tus, rw: ElementProcess) -> None:
    path = await tus.begin(10)
    common = "\r\n".join(f"{name}: {value}" for name, value in tus.headers.items())
    head = f"PATCH {path} HTTP/1.1\r\nHost: x\r\n{common}\r\nUpload-Offset: 0\r\nContent-Type: {BYTES}\r\n"
    for length in ("-1", "1e3", "99999999999999999999", "5\r\nContent-Length: 6"):
        answer = await raw(ingester, f"{head}Content-Length: {length}\r\n\r\nhello".encode())
        assert not answer.startswith(b"HTTP/1.1 2"), (length, answer)
        assert await tus.offset(path) == 0
    await raw(ingester, f"{head}Content-Length: 10\r\n\r\nhello".encode())  # and no more
    assert rw.data() == []
    offset = await tus.offset(path)  # what came together with the end of the connection may be lost
    assert offset in (0, 5)
    assert (await tus.patch(path, offset, b"helloworld"[offset:])).status_code == 204
    assert rw.data() == [b"helloworld"]


class TestSilence:
    @pytest.fixture
    def limits(self) -> dict[str, object]:
        return {"idle_seconds": 0.5}

    async def test_a_client_that_says_nothing_more_is_answered_and_what_came_is_kept(
        self, ingester: Ingester, tus: Tus, rw: ElementProcess
    ) -> None:
        path = await tus.begin(10)
        common = "\r\n".join(f"{name}: {value}" for name, value in tus.headers.items())
        head = f"PATCH {path} HTTP/1.1\r\nHost: x\r\n{common}\r\nUpload-Offset: 0\r\nContent-Type: {BYTES}\r\n"
        address = urlsplit(str(ingester.http.base_url))
        with socket.create_connection((address.hostname, address.port or 80)) as slow:
            slow.sendall(f"{head}Content-Length: 10\r\n\r\nhel".encode())
            slow.settimeout(20)
            answer = await asyncio.to_thread(slow.recv, 65536)
        assert answer.startswith(b"HTTP/1.1 400")
        assert b"Upload-Offset" not in answer
        assert await tus.offset(path) == 3
        assert len(rw.files()) == 2
