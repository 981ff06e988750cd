"""Parts that were filled in parallel become one upload, whatever happens in between."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from artstore_core.scopes import element_audience
from storage_element.disk.filesystem import RealFileSystem
from storage_element.store import concatenate

MIB = 1024 * 1024


async def filled(api: Any, data: bytes, size: int | None = None) -> UUID:
    upload_id = uuid4()
    assert (await api.begin(upload_id, size)).status_code == 201
    assert (await api.append(upload_id, 0, data)).status_code == 204
    return upload_id


async def join(api: Any, target: UUID, *parts: UUID) -> Any:
    return await api.client.post(f"/api/v1/uploads/{target}/concatenate", json={"parts": [str(part) for part in parts]})


async def offset(api: Any, upload_id: UUID) -> int | None:
    answer = await api.client.head(f"/api/v1/uploads/{upload_id}")
    return None if answer.status_code == 404 else int(answer.headers["upload-offset"])


async def read(api: Any, upload_id: UUID) -> bytes:
    answer = await api.client.get(f"/api/v1/uploads/{upload_id}")
    assert answer.status_code == 200
    return bytes(answer.content)


async def test_parts_become_one_upload_in_the_order_that_is_given(api: Any) -> None:
    target, pieces = uuid4(), [os.urandom(length) for length in (MIB, 0, 7, 2 * MIB + 1)]
    data = b"".join(pieces)
    await api.begin(target, len(data))
    parts = await asyncio.gather(*(filled(api, piece) for piece in pieces))
    answer = await join(api, target, *parts)
    assert (answer.status_code, answer.json()) == (
        200,
        {"upload_id": str(target), "offset": len(data), "size": len(data)},
    )
    assert await read(api, target) == data
    assert [await offset(api, part) for part in parts] == [None] * 4
    again = await join(api, target, *parts)  # for an answer that was lost
    assert (again.status_code, again.json()) == (200, answer.json())
    made = await api.complete(target, size=len(data), sha256=sha256(data).hexdigest())
    assert made.status_code == 201
    assert (await api.download(target)).content == data
    assert api.files() == [f"{target}.attr.json", f"{target}.data"]


async def test_joined_upload_can_be_appended_to_and_joined_in_its_turn(api: Any) -> None:
    inner, outer = uuid4(), uuid4()
    await api.begin(inner)
    await join(api, inner, await filled(api, b"ab"), await filled(api, b"cd"))
    assert (await api.append(inner, 4, b"ef")).status_code == 204
    await api.begin(outer)
    assert (await join(api, outer, await filled(api, b"<"), inner, await filled(api, b">"))).json()["offset"] == 8
    made = await api.complete(outer, sha256=sha256(b"<abcdef>").hexdigest())
    assert made.status_code == 201


async def test_joined_upload_outlives_a_restart(make: Any) -> None:
    api = await make.start()
    target = uuid4()
    await api.begin(target)
    parts = [await filled(api, b"hel"), await filled(api, b"lo")]
    await join(api, target, *parts)
    await make.stop()
    api = await make.start()
    assert (await join(api, target, *parts)).json()["offset"] == 5
    assert (await api.complete(target, sha256=sha256(b"hello").hexdigest())).status_code == 201


async def test_what_cannot_be_joined_is_refused_and_stays_as_it_is(api: Any) -> None:
    target, used, part, unknown = uuid4(), await filled(api, b"own"), await filled(api, b"part"), uuid4()
    await api.begin(target)
    for parts, status, code in (
        ((part, part), 400, "VALIDATION_ERROR"),
        ((part, target), 400, "VALIDATION_ERROR"),
        ((), 400, "VALIDATION_ERROR"),
        ((part, unknown), 404, "NOT_FOUND"),
    ):
        answer = await join(api, target, *parts)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert str(unknown) in (await join(api, target, part, unknown)).text
    assert (await join(api, unknown, part)).status_code == 404
    answer = await join(api, used, part)
    assert (answer.status_code, answer.headers["upload-offset"]) == (409, "3")
    assert [await read(api, one) for one in (target, used, part)] == [b"", b"own", b"part"]
    await join(api, target, part)
    other = await filled(api, b"other")
    assert (await join(api, target, other)).status_code == 409  # it holds bytes now
    assert (await api.client.post(f"/api/v1/uploads/{target}/concatenate", json={"parts": ["x"]})).status_code == 400


async def test_limits_hold_for_the_whole(make: Any) -> None:
    api = await make.start(max_file_bytes=6)
    small, unsized = uuid4(), uuid4()
    await api.begin(small, 4)
    await api.begin(unsized)
    parts = [await filled(api, b"abc") for _ in range(3)]
    for target, some in ((small, parts[:2]), (unsized, parts)):
        answer = await join(api, target, *some)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "FILE_TOO_LARGE")
    assert (await join(api, unsized, *parts[:2])).json()["offset"] == 6


async def room(api: Any) -> tuple[int, int]:
    info = (await api.client.get("/api/v1/info")).json()
    return info["used_bytes"], info["available_bytes"]


async def test_room_is_counted_for_parts_and_whole_and_given_back(make: Any) -> None:
    api = await make.start(capacity_bytes=20)
    target, tight = uuid4(), uuid4()
    parts = [await filled(api, b"abcd", 4), await filled(api, b"efgh", 4)]
    await api.begin(target, 8)
    await api.begin(tight)
    assert await room(api) == (8, 4)
    answer = await join(api, tight, *parts)  # 8 more do not go into 4
    assert (answer.status_code, answer.json()["error"]["code"]) == (507, "STORAGE_FULL")
    assert await room(api) == (8, 4)
    assert (await join(api, target, *parts)).status_code == 200
    assert await room(api) == (8, 12)
    assert (await api.client.delete(f"/api/v1/uploads/{target}")).status_code == 204
    assert await room(api) == (0, 20)


async def test_disk_that_fills_up_in_the_middle_takes_nothing_and_can_be_tried_again(make: Any) -> None:
    class Filling(RealFileSystem):
        copies = 0
        full = True

        def copy_range(self, source: int, offset: int, target: int, length: int) -> int:
            self.copies += 1
            if self.full and self.copies > 3:
                raise OSError(errno.ENOSPC, "full")
            return super().copy_range(source, offset, target, min(length, 100))

    filesystem = Filling()
    api = await make.start(capacity_bytes=3000, filesystem=filesystem)
    target, data = uuid4(), os.urandom(1000)
    await api.begin(target)
    parts = [await filled(api, data[:600], 600), await filled(api, data[600:], 400)]
    before = await room(api)
    assert (await join(api, target, *parts)).status_code == 507
    assert await room(api) == before
    assert (api.root / "staging" / f"{target}.part").stat().st_size == 0
    for answer in (await api.append(target, 0, b"x"), await api.complete(target), await join(api, parts[0], target)):
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")
    filesystem.full = False
    assert (await join(api, target, *parts)).status_code == 200
    assert await read(api, target) == data


async def test_nobody_else_works_on_any_of_them_meanwhile(make: Any) -> None:
    loop, copying, go_on = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()

    class Slow(RealFileSystem):
        def copy_range(self, source: int, offset: int, target: int, length: int) -> int:
            loop.call_soon_threadsafe(copying.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(10)
            return super().copy_range(source, offset, target, length)

    api = await make.start(filesystem=Slow(), staging_seconds=60)
    target, other = uuid4(), uuid4()
    await api.begin(target)
    await api.begin(other)
    parts = [await filled(api, b"hel"), await filled(api, b"lo")]
    joining = asyncio.create_task(join(api, target, *parts))
    try:
        await asyncio.wait_for(copying.wait(), 5)
        for answer in (
            await join(api, other, parts[1]),
            await join(api, target, *parts),
            await api.append(parts[0], 3, b"x"),
            await api.append(target, 0, b"x"),
            await api.complete(parts[0]),
            await api.complete(target),
            await api.client.delete(f"/api/v1/uploads/{parts[1]}"),
            await api.client.get(f"/api/v1/uploads/{target}"),
        ):
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, "CONFLICT")
        assert await offset(api, target) == 0
        api.clock.advance(timedelta(hours=1))
        await api.app.state.sweep.once()  # removes `other`, which nobody works on, and nothing else
    finally:
        go_on.set()
    assert (await joining).status_code == 200
    assert await offset(api, other) is None
    assert await read(api, target) == b"hello"


async def test_part_that_is_being_filled_is_refused(api: Any) -> None:
    target, part, under_way, go_on = uuid4(), uuid4(), asyncio.Event(), asyncio.Event()
    await api.begin(target)
    await api.begin(part)

    async def slow() -> AsyncIterator[bytes]:
        yield bytes(MIB)
        under_way.set()
        await go_on.wait()

    append = asyncio.create_task(api.append(part, 0, slow()))
    await under_way.wait()
    answer = await join(api, target, part)
    assert (answer.status_code, answer.headers["retry-after"]) == (409, "1")
    go_on.set()
    await append
    assert (await join(api, target, part)).json()["offset"] == MIB


async def test_slices_are_copied_and_hashed_in_turn(make: Any) -> None:
    """More than one slice, so that hashing and flushing run beside the copying, and no byte is read back at the end."""

    class Counting(RealFileSystem):
        read = 0

        def pread(self, handle: int, length: int, offset: int) -> bytes:
            piece = super().pread(handle, length, offset)
            self.read += len(piece)
            return piece

    filesystem = Counting()
    api = await make.start(filesystem=filesystem)
    target = uuid4()
    data = os.urandom(MIB) * (concatenate.SLICE_BYTES // MIB + 17)
    await api.begin(target, 3 * len(data))
    parts = [await filled(api, data) for _ in range(3)]
    await join(api, target, *parts)
    filesystem.read = 0
    assert (await api.complete(target, sha256=sha256(data * 3).hexdigest())).status_code == 201
    assert filesystem.read < MIB


class Dying(RealFileSystem):
    """Once `armed`, the process dies at its n-th call that changes anything: that one and all later ones do nothing."""

    def __init__(self, last: int) -> None:
        self.last, self.calls, self.armed = last, 0, False

    def _step(self) -> None:
        self.calls += self.armed
        if self.calls > self.last:
            raise OSError(errno.EIO, "dead")

    def write(self, handle: int, data: bytes | memoryview) -> int:
        self._step()
        return super().write(handle, data)

    def copy_range(self, source: int, offset: int, target: int, length: int) -> int:
        self._step()
        return super().copy_range(source, offset, target, min(length, 1000))  # so that one part takes several

    def truncate(self, handle: int, size: int) -> None:
        self._step()
        super().truncate(handle, size)

    def fsync(self, handle: int) -> None:
        self._step()
        super().fsync(handle)

    def fsync_dir(self, path: Path) -> None:
        self._step()
        super().fsync_dir(path)

    def rename(self, source: Path, target: Path) -> None:
        self._step()
        super().rename(source, target)

    def unlink(self, path: Path) -> None:
        self._step()
        super().unlink(path)


async def test_death_at_every_step_loses_nothing_and_the_same_request_goes_on(make: Any) -> None:
    """What a kill leaves (all that was written, whether flushed or not), at every call that changes something."""
    data = os.urandom(5000)
    died = 0
    for last in range(1000):
        api = await make.start()
        target = uuid4()
        await api.begin(target, len(data))
        parts = [await filled(api, data[:2500]), await filled(api, data[2500:])]
        await make.stop()
        filesystem = Dying(last)
        api = await make.start(filesystem=filesystem)
        filesystem.armed = True
        answer = await join(api, target, *parts)
        done = filesystem.calls <= last
        await make.stop()
        api = await make.start()
        if done:
            assert answer.status_code == 200
            break
        died += 1
        await check_goes_on(api, target, parts, data)
        await make.stop()
    assert died >= 15


async def check_goes_on(api: Any, target: UUID, parts: list[UUID], data: bytes) -> None:
    held = await offset(api, target)
    if held == 0:
        assert [await read(api, part) for part in parts] == [data[:2500], data[2500:]]
    else:
        assert held == len(data)
        assert await read(api, target) == data
    assert (await join(api, target, *parts)).json()["offset"] == len(data)
    assert [await offset(api, part) for part in parts] == [None, None]
    assert (await api.complete(target, sha256=sha256(data).hexdigest())).status_code == 201


async def test_sixty_four_uploads_at_once(api: Any) -> None:
    async def one(number: int) -> None:
        target, pieces = uuid4(), [bytes([number]) * (200_000 + number), os.urandom(100_000)]
        await api.begin(target)
        parts = await asyncio.gather(*(filled(api, piece) for piece in pieces))
        assert (await join(api, target, *parts)).status_code == 200
        data = b"".join(pieces)
        assert (await api.complete(target, sha256=sha256(data).hexdigest())).status_code == 201

    await asyncio.gather(*(one(number) for number in range(64)))
    assert (await api.client.get("/api/v1/files")).json()["total"] == 64
    assert len(api.files()) == 128


@pytest.mark.parametrize("scopes", [[], ["files:read"]])
async def test_only_those_who_may_write(api: Any, scopes: list[Any]) -> None:
    headers = api.issuer.bearer(scopes, audience=element_audience("se-test-1"))
    for answer in (
        await api.client.post(f"/api/v1/uploads/{uuid4()}/concatenate", json={"parts": []}, headers=headers),
        await api.client.get(f"/api/v1/uploads/{uuid4()}", headers=headers),
    ):
        assert answer.status_code == 403
