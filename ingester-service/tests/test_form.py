"""The form, read piece by piece: what is refused, and by which name."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from artstore_client.multipart import MultipartForm
from artstore_core.errors import FileTooLarge, ValidationFailed
from artstore_core.retention import RetentionPolicy
from ingester_service.http.fields import query_fields
from ingester_service.http.form import UploadForm, open_form
from ingester_service.http.multipart import Limits, boundary_of
from ingester_service.upload.incoming import Told
from ingester_support import BOUNDARY, body, file_part, part


async def in_chunks(content: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


async def opened(content: bytes, *, chunk: int = 65536, query: dict[str, str] | None = None) -> UploadForm:
    query = query or {}
    return await open_form(
        in_chunks(content, chunk),
        BOUNDARY.encode(),
        query=query_fields(query.get("retention_policy"), query.get("ttl_days")),
        max_bytes=1000,
        content_length=None,
        limits=Limits(),
    )


async def read(content: bytes, query: dict[str, str] | None = None) -> tuple[UploadForm, bytes, Told]:
    form = await opened(content, query=query)
    data = b"".join([chunk async for chunk in form.chunks()])
    return form, data, await form.told()


@pytest.mark.parametrize("name", ["per%22cent%0A.txt", 'say "hi".txt', "back\\slash.txt", "semi;colon=.txt", "%.txt"])
async def test_names_come_as_our_own_client_sends_them(name: str) -> None:
    sent = MultipartForm([], filename=name, file_headers={})
    form = await open_form(
        sent.body(in_chunks(b"x", 1)),
        boundary_of(sent.content_type),
        query=query_fields(None, None),
        max_bytes=1000,
        content_length=None,
        limits=Limits(),
    )
    assert form.filename == name


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64, 65536])
async def test_however_it_is_cut_it_means_the_same(chunk: int) -> None:
    content = b"\r\n--7d3f2\r\n--7d3f2b\r\n\r\n--"
    whole = body(
        part("retention_policy", "temporary"),
        part("tags", '["a", "б", "a"]'),
        file_part(content, "отчёт (1).pdf"),
        part("metadata", '{"n": {"m": [1, null]}}'),
        part("description", "line\r\nline"),
    )
    form = await opened(whole, chunk=chunk)
    assert b"".join([piece async for piece in form.chunks()]) == content
    told = await form.told()
    assert (form.filename, form.retention.policy, form.retention.ttl_days) == (
        "отчёт (1).pdf",
        RetentionPolicy.TEMPORARY,
        30,
    )
    assert told == Told("line\r\nline", ["a", "б"], {"n": {"m": [1, None]}})


async def test_empty_fields_count_as_absent() -> None:
    names = ("retention_policy", "ttl_days", "description", "tags", "metadata")
    form, _, told = await read(body(*(part(name, "") for name in names), file_part()))
    assert (form.retention.policy, form.retention.ttl_days) == (RetentionPolicy.PERMANENT, None)
    assert told == Told(None, [], {})


@pytest.mark.parametrize(
    ("parts", "query", "field"),
    [
        ([part("ttl_days", "7"), file_part()], {}, "ttl_days"),
        ([part("retention_policy", "temporary"), part("ttl_days", "0"), file_part()], {}, "ttl_days"),
        ([part("retention_policy", "temporary"), part("ttl_days", "366"), file_part()], {}, "ttl_days"),
        ([part("retention_policy", "temporary"), part("ttl_days", "soon"), file_part()], {}, "ttl_days"),
        ([part("retention_policy", "forever"), file_part()], {}, "retention_policy"),
        ([file_part(), part("retention_policy", "temporary")], {}, "retention_policy"),
        ([file_part(), part("ttl_days", "3")], {"retention_policy": "temporary"}, "ttl_days"),
        ([part("retention_policy", "permanent"), file_part()], {"retention_policy": "temporary"}, "retention_policy"),
        ([file_part()], {"ttl_days": "x", "retention_policy": "temporary"}, "ttl_days"),
        ([part("metadata", "[1]"), file_part()], {}, "metadata"),
        ([part("metadata", "{"), file_part()], {}, "metadata"),
        ([part("metadata", '{"a": NaN}'), file_part()], {}, "metadata"),
        ([part("metadata", '{"a": "\\u0000"}'), file_part()], {}, "metadata"),
        ([part("metadata", '{"a": "\\ud800"}'), file_part()], {}, "metadata"),
        ([part("metadata", "[" * 50_000), file_part()], {}, "metadata"),
        ([part("metadata", '{"a": "' + "x" * 17_000 + '"}'), file_part()], {}, "metadata"),
        ([part("tags", "[1]"), file_part()], {}, "tags"),
        ([part("tags", '["\\ud800"]'), file_part()], {}, "tags"),
        ([part("tags", "x" * 101), file_part()], {}, "tags"),
        ([part("tags", '["a"]'), part("tags", '["b"]'), file_part()], {}, "tags"),
        ([part("description", b"\xff"), file_part()], {}, "description"),
        ([part("description", "a\x00b"), file_part()], {}, "description"),
        ([part("description", "a"), part("description", "b"), file_part()], {}, "description"),
        ([part("description", "x" * 70_000), file_part()], {}, "description"),
        ([part("colour", "red"), file_part()], {}, "colour"),
        ([part("file", "not a file")], {}, "file"),
        ([part("description", "no file at all")], {}, "file"),
        ([], {}, "file"),
        ([file_part(), file_part()], {}, "file"),
        ([file_part(filename="")], {}, "file"),
        ([file_part(filename="..")], {}, "file"),
        ([file_part(filename="a\x00b")], {}, "file"),
        ([file_part(filename="a%0Ab")], {}, "file"),
        ([file_part(filename="x" * 1025)], {}, "file"),
        ([part("photo", b"x", disposition='; filename="a.png"')], {}, "photo"),
        ([file_part(b"x", "a.pdf", "Content-Transfer-Encoding: base64")], {}, "file"),
        ([file_part(b"x", "a.pdf", "Repr-Digest: sha-256=nonsense")], {}, "Repr-Digest"),
        ([file_part(b"x", "a.pdf", "Repr-Digest: sha-256=:AAAA:")], {}, "Repr-Digest"),
    ],
)
async def test_a_bad_form_is_refused_by_field(parts: list[bytes], query: dict[str, str], field: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        await read(body(*parts), query)
    assert field in refused.value.details


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no boundary at all",
        b"--other\r\nContent-Disposition: form-data; name=x\r\n\r\n\r\n--other--",
        f"--{BOUNDARY}\r\n\r\nno headers\r\n--{BOUNDARY}--".encode(),
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; filename="a"\r\n\r\nx\r\n--{BOUNDARY}--'.encode(),
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name=""\r\n\r\nx\r\n--{BOUNDARY}--'.encode(),
        f'--{BOUNDARY}\r\nContent-Disposition: attachment; name="file"\r\n\r\nx\r\n--{BOUNDARY}--'.encode(),
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="a"; name="file"\r\n\r\n\r\n--{BOUNDARY}--'.encode(),
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="f\xff"\r\n\r\n\r\n--{BOUNDARY}--'.encode("latin-1"),
        f"--{BOUNDARY}\r\nBad Header\r\n\r\n\r\n--{BOUNDARY}--".encode(),
        f"--{BOUNDARY}\r\nX: {'y' * 9000}\r\n\r\n\r\n--{BOUNDARY}--".encode(),
        f"--{BOUNDARY}\r\n".encode() + b"".join(b"X%d: y\r\n" % number for number in range(20)),
        body(part("description", "a", "X-A: 1", "X-A: 2"), file_part()),
        body(*(part("tags", f"t{number}") for number in range(151)), file_part()),
        body(file_part())[:-6],
        body(file_part())[:60],
    ],
)
async def test_a_hostile_body_is_refused(content: bytes) -> None:
    with pytest.raises(ValidationFailed):
        await read(content)


async def test_an_endless_preamble_or_header_is_cut_off() -> None:
    async def endless(begin: bytes) -> AsyncIterator[bytes]:
        yield begin
        while True:
            yield b"y" * 65536

    for begin in (b"\r\n", f"--{BOUNDARY}\r\nX: ".encode(), f"--{BOUNDARY}\r\nX".encode()):
        with pytest.raises(ValidationFailed):
            await open_form(
                endless(begin),
                BOUNDARY.encode(),
                query=query_fields(None, None),
                max_bytes=1000,
                content_length=None,
                limits=Limits(),
            )


async def test_a_file_over_the_limit_is_cut_off_while_it_streams() -> None:
    form = await opened(body(file_part(b"x" * 1001)), chunk=10)
    with pytest.raises(FileTooLarge):
        async for _ in form.chunks():
            pass


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('; filename="отчёт.pdf"', "отчёт.pdf"),
        ("; filename=plain.pdf", "plain.pdf"),
        ('; filename="a%22b%22.pdf"', 'a"b".pdf'),
        (r'; filename="a\"b\\c.pdf"', 'a"b\\c.pdf'),
        ('; filename="100%25 %41.pdf"', "100%25 %41.pdf"),
        ("; filename*=UTF-8''%D0%BE%D1%82%D1%87%D1%91%D1%82.pdf", "отчёт.pdf"),
        ("; filename=\"otchet.pdf\"; filename*=utf-8'ru'%D0%BE.pdf", "о.pdf"),
        ("; filename*=iso-8859-1''caf%E9.pdf", "café.pdf"),
        ("; filename*0*=UTF-8''%D0%BE; filename*1=\"tchet\"; filename*2*=%D1%8F.pdf", "оtchetя.pdf"),
        ('; filename="C:\\scans\\a.pdf"', "C:\\scans\\a.pdf"),
        ('; filename="../../etc/passwd"', "../../etc/passwd"),
        ('; filename="<script>x</script>.txt"', "<script>x</script>.txt"),
        ('; filename="cafe\u0301.pdf"', "café.pdf"),
        ('; filename="\u202egnp.exe\u202c.pdf"', "\u202egnp.exe\u202c.pdf"),
        ('; filename="a; b=c.pdf"', "a; b=c.pdf"),
        ('; FileName="a.pdf" ', "a.pdf"),
    ],
)
async def test_names_as_browsers_and_libraries_write_them(disposition: str, filename: str) -> None:
    form, _, _ = await read(body(part("file", b"x", disposition=disposition)))
    assert form.filename == filename


@pytest.mark.parametrize(
    "disposition",
    [
        "; filename*=KOI8-R''%CF.pdf",
        "; filename*=%D0%BE.pdf",
        "; filename*=UTF-8''%FF.pdf",
        '; filename="unclosed',
        '; filename="a.pdf" nonsense',
    ],
)
async def test_names_that_cannot_be_read_are_refused(disposition: str) -> None:
    with pytest.raises(ValidationFailed):
        await read(body(part("file", b"x", disposition=disposition)))
