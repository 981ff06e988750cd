"""What can go wrong while a file goes up."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from artstore_client import AsyncArtStore, errors
from artstore_client.retry import nothing_done
from artstore_client.transport import failed
from client_stand import Stand, problem
from starlette.responses import JSONResponse, Response

UPLOAD = "POST /api/v1/files/upload"


def content_of(size: int) -> bytes:
    return hashlib.shake_128(str(size).encode()).digest(size)


class Pipe(io.RawIOBase):
    """Knows neither its length nor a way back."""

    def __init__(self, content: bytes) -> None:
        self._rest = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._rest.read(size)


class Shrinking(io.BytesIO):
    """Says it is longer than it is."""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return super().seek(offset, whence) + (100 if whence == os.SEEK_END else 0)


@pytest.mark.parametrize("size", [0, 1, 1024 * 1024 - 1, 1024 * 1024, 3 * 1024 * 1024 + 17])
async def test_the_same_bytes_arrive_with_their_digest(
    stand: Stand, store: AsyncArtStore, tmp_path: Path, size: int
) -> None:
    path = tmp_path / "отчёт.pdf"
    path.write_bytes(content_of(size))
    seen: list[tuple[int, int | None]] = []
    stored = await store.upload(path, on_progress=lambda done, total: seen.append((done, total)))
    assert stand.content[str(stored.file_id)] == content_of(size)
    assert stored.original_filename == "отчёт.pdf"
    digest = base64.b64encode(hashlib.sha256(content_of(size)).digest()).decode()
    assert stand.bodies[0]["repr-digest"] == f"sha-256=:{digest}:"
    assert int(stand.asked(UPLOAD)[0]["content-length"]) > size
    assert seen[-1:] == ([(size, size)] if size else [])


async def test_fields_that_choose_the_element_come_first(stand: Stand, store: AsyncArtStore) -> None:
    await store.upload(
        io.BytesIO(b"x"),
        filename="x.txt",
        description="о чём",
        tags=["[а]", "b"],
        metadata={"project": "north", "n": 1},
        retention_policy="temporary",
        ttl_days=3,
    )
    assert stand.forms[0] == [
        ("retention_policy", "temporary"),
        ("ttl_days", "3"),
        ("description", "о чём"),
        ("tags", '["[а]", "b"]'),
        ("metadata", '{"project": "north", "n": 1}'),
    ]


@pytest.mark.parametrize("name", ['say "hi".txt', "back\\slash.txt", "per%22cent.txt", "semi;colon=.txt", "📎.txt"])
async def test_an_odd_name_arrives_as_it_is(store: AsyncArtStore, name: str) -> None:
    assert (await store.upload(io.BytesIO(b"x"), filename=name)).original_filename == name


async def test_a_name_cannot_add_a_header(stand: Stand, store: AsyncArtStore) -> None:
    await store.upload(io.BytesIO(b"x"), filename='a"\r\nRepr-Digest: sha-256=:AAAA:\r\n\r\n')
    assert "repr-digest" not in stand.bodies[0]


async def test_a_stream_without_length_is_sent_in_chunks(stand: Stand, store: AsyncArtStore) -> None:
    content = content_of(2_500_000)
    stored = await store.upload(Pipe(content), filename="pipe")  # type: ignore[arg-type]
    assert stand.content[str(stored.file_id)] == content
    assert stand.asked(UPLOAD)[0]["transfer-encoding"] == "chunked"


async def test_a_file_object_is_read_from_where_it_stands_and_left_open(stand: Stand, store: AsyncArtStore) -> None:
    file = io.BytesIO(b"skipped-sent")
    file.seek(8)
    stored = await store.upload(file, filename="x")
    assert stand.content[str(stored.file_id)] == b"sent"
    assert not file.closed


async def test_a_file_that_shrinks_is_not_stored(stand: Stand, store: AsyncArtStore) -> None:
    with pytest.raises(errors.SourceChanged):
        await store.upload(Shrinking(b"abc"), filename="x")
    assert not stand.files


async def test_a_wrongly_stored_checksum_is_noticed(stand: Stand, store: AsyncArtStore) -> None:
    stand.corrupt = True
    with pytest.raises(errors.IntegrityError):
        await store.upload(io.BytesIO(b"x"), filename="x")


async def test_text_mode_is_refused(store: AsyncArtStore) -> None:
    with pytest.raises(TypeError, match="binary"):
        await store.upload(io.StringIO("x"), filename="x")  # type: ignore[arg-type]


async def test_one_string_is_not_taken_for_many_tags(store: AsyncArtStore) -> None:
    with pytest.raises(TypeError, match="tags"):
        await store.upload(io.BytesIO(b"x"), tags="scan")


async def test_a_folder_and_a_fifo_are_refused_without_hanging(store: AsyncArtStore, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo"):
        with pytest.raises(errors.NotAFile):
            await store.upload(path)


@pytest.mark.parametrize(
    ("status", "code"), [(503, "NO_STORAGE_AVAILABLE"), (503, "ADMIN_UNAVAILABLE"), (429, "RATE_LIMITED")]
)
async def test_an_answer_that_says_that_nothing_was_stored_is_followed_by_the_same_bytes(
    stand: Stand, store: AsyncArtStore, status: int, code: str
) -> None:
    stand.canned[UPLOAD].append(problem(status, code, "later", Retry_After="0"))
    stored = await store.upload(io.BytesIO(b"abc"), filename="x")
    assert stand.content[str(stored.file_id)] == b"abc"
    assert len(stand.asked(UPLOAD)) == 2


@pytest.mark.parametrize(
    "answer",
    [
        problem(503, "STORAGE_UNAVAILABLE", "it may be stored", Retry_After="0"),
        problem(503, "NO_STORAGE_AVAILABLE", "no word on when"),
        problem(502, "UPSTREAM_ERROR", "it may be stored", Retry_After="0"),
    ],
)
async def test_an_upload_that_may_be_stored_is_sent_again_under_its_key(
    stand: Stand, store: AsyncArtStore, answer: Response
) -> None:
    stand.canned[UPLOAD] += [answer, *[problem(409, "CONFLICT", "at work", Retry_After="0")] * 10]
    await store.upload(io.BytesIO(b"abc"), filename="x")
    await store.upload(io.BytesIO(b"abc"), filename="x")
    keys = [headers["idempotency-key"] for headers in stand.asked(UPLOAD)]
    assert len(keys) == 13
    assert len(set(keys[:12])) == 1
    assert keys[12] != keys[0]
    assert re.fullmatch(r'"[!-~]{36}"', keys[0])


@pytest.mark.parametrize(
    "answer",
    [
        problem(409, "CONFLICT", "no word on when"),
        problem(409, "CONFLICT", "too long to wait", Retry_After="3600"),
        problem(422, "IDEMPOTENCY_KEY_REUSED", "the file changed meanwhile"),
        problem(507, "STORAGE_FULL", "no"),
    ],
)
async def test_a_refusal_is_not_answered_with_the_same(stand: Stand, store: AsyncArtStore, answer: Response) -> None:
    stand.canned[UPLOAD].append(answer)
    with pytest.raises(errors.ApiError):
        await store.upload(io.BytesIO(b"abc"), filename="x")
    assert len(stand.asked(UPLOAD)) == 1


async def test_an_attempt_that_never_ends_is_not_waited_for_forever(stand: Stand, store: AsyncArtStore) -> None:
    stand.canned[UPLOAD] += [problem(409, "CONFLICT", "at work", Retry_After="0")] * 50
    with pytest.raises(errors.Conflict):
        await store.upload(io.BytesIO(b"abc"), filename="x")
    assert len(stand.asked(UPLOAD)) == 17


async def test_a_lost_answer_is_asked_for_again(stand: Stand, store: AsyncArtStore) -> None:
    stand.lost_uploads = 2
    stored = await store.upload(io.BytesIO(b"abc"), filename="x")
    keys = [headers["idempotency-key"] for headers in stand.asked(UPLOAD)]
    assert len(keys) == 3
    assert len(set(keys)) == len(stand.files) == 1
    assert str(stored.file_id) in stand.files


async def test_a_pipe_whose_answer_is_lost_is_not_sent_again(stand: Stand, store: AsyncArtStore) -> None:
    stand.lost_uploads = 1
    with pytest.raises(errors.ConnectionFailed):
        await store.upload(Pipe(b"abc"), filename="x")  # type: ignore[arg-type]
    assert len(stand.asked(UPLOAD)) == 1


async def test_a_pipe_is_sent_once(stand: Stand, store: AsyncArtStore) -> None:
    stand.canned[UPLOAD].append(problem(503, "NO_STORAGE_AVAILABLE", "later", Retry_After="0"))
    with pytest.raises(errors.Unavailable):
        await store.upload(Pipe(b"abc"), filename="x")  # type: ignore[arg-type]
    assert len(stand.asked(UPLOAD)) == 1


def test_only_a_connection_that_was_never_made_says_that_nothing_was_done() -> None:
    refused, broken = (failed(kind("why"), "http://x") for kind in (httpx.ConnectError, httpx.ReadError))
    assert nothing_done(refused)
    assert not nothing_done(broken)


async def test_unregistered_is_told(stand: Stand, store: AsyncArtStore) -> None:
    first = await store.upload(io.BytesIO(b"x"), filename="x")
    answer = {**stand.files[str(first.file_id)], "registered": False}
    stand.canned[UPLOAD].append(JSONResponse(answer, 201))
    assert first.registered
    assert not (await store.upload(io.BytesIO(b"x"), filename="x")).registered


MEASURE = """
import re, sys
from pathlib import Path
from dataclasses import replace
from artstore_client import ArtStore, UploadPolicy, load_config

def peak():  # not ru_maxrss, which a child inherits from the process that started it
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

small, large, small_id, large_id, to = sys.argv[1:]
with ArtStore(replace(load_config(), uploads=UploadPolicy(resumable_from=1 << 40))) as store:
    store.upload(small)
    store.download(small_id, to)
    before = peak()
    store.upload(large)
    store.download(large_id, to)
    print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to measure a process's peak memory")
def test_memory_does_not_grow_with_the_file(stand: Stand, tmp_path: Path) -> None:
    stand.keep_content = False
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(content_of(2 * 1024 * 1024))
    with large.open("wb") as file:
        file.truncate(192 * 1024 * 1024)
    ids = [stand.put(bytes(2 * 1024 * 1024)), stand.put(bytes(96 * 1024 * 1024))]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(small), str(large), *ids, str(tmp_path / "down")],
        env={**os.environ, **stand.environment()},
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=True,
    )
    assert int(done.stdout) < 16 * 1024, "KiB more than for a small file"
