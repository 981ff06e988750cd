"""One file as one stream or as parts side by side, gone on with wherever it was cut."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import anyio
from anyio.to_thread import run_sync

from artstore_client.errors import (
    ArtStoreClientError,
    BadRequest,
    Gone,
    IntegrityError,
    NotFound,
    SourceChanged,
    TooLarge,
    Unavailable,
)
from artstore_client.models import StoredFile
from artstore_client.policy import MIB, UploadPolicy
from artstore_client.resumable.digest import Digest
from artstore_client.resumable.patience import OnNote, Patience, Pause
from artstore_client.resumable.plan import Part
from artstore_client.resumable.protocol import Tus
from artstore_client.resumable.state import PartState, State, forgets
from artstore_client.retry import RetryPolicy
from artstore_client.source import PIECE, OnProgress, Source

_JOINED_EACH_SECOND = 10 * MIB
"""What a slow element copies and flushes: an upload that is being finished is waited for as long as that takes."""


@dataclass(frozen=True, slots=True)
class Ways:
    """How it is sent: `parallel` parts at a time."""

    policy: UploadPolicy
    retry: RetryPolicy
    parallel: int
    on_progress: OnProgress | None = None
    on_note: OnNote | None = None


class Sending:
    """Use `run` once. `state` says what is there already."""

    def __init__(self, tus: Tus, source: Source, parts: list[Part], state: State, ways: Ways) -> None:
        self._tus, self._source, self._parts, self._state, self._ways = tus, source, parts, state, ways
        self._size = source.size or 0
        self._digest = Digest(source)
        self._pause = Pause()
        self._done = [0] * len(parts)
        self._chunk = ways.policy.chunk_bytes
        self._forgetful = False

    async def run(self) -> StoredFile:
        """Sends what is missing, and checks what the server says it stored.

        Raises SourceChanged and IntegrityError, and then nothing of it stays on the server, or they name the file that
        could not be taken back; and what the server refuses with, or the weather, once it was borne with for long enough.
        """
        stored, name = await self._stored(), self._source.name
        if not self._source.unchanged() or stored.size != self._size:
            fate = await self._taken_back(stored)
            raise SourceChanged(f"{name}: the file was changed while it was uploaded; {fate}")
        if stored.checksum != self._digest.hexdigest():
            fate = await self._taken_back(stored)
            raise IntegrityError(f"{name}: was stored with another checksum than the file has; {fate}")
        return stored

    async def _taken_back(self, stored: StoredFile) -> str:
        if await self._tus.delete(stored):
            return "what was stored is deleted again"
        return f"it was stored as {stored.file_id}, and could not be deleted again: permanent files stay"

    async def _stored(self) -> StoredFile:
        if len(self._parts) == 1:
            return await self._as_one_stream()
        if self._state.joining:
            # Killed while they were joined: if that was done, there are no parts any more, and nothing is to be sent.
            self._digest.may_reach(self._size)
            await self._digest.follow(self._size)
        else:
            await self._side_by_side()
        try:
            return await self._joined()
        except BadRequest:
            # A part ran out between its last byte and this: it is looked for once more, and sent once more.
            await self._side_by_side()
            return await self._joined()

    async def _as_one_stream(self) -> StoredFile:
        await self._send(self._parts[0], self._state.parts[0], feed=self._digest)
        self._digest.may_reach(self._size)
        await self._digest.follow(self._size)
        patience = self._patience(self._finishing_seconds())
        while True:
            try:
                # Asks for the offset first: a server that was killed after the last byte makes the file then.
                upload_id = self._known(self._state.parts[0])
                if (stored := await self._tus.file(upload_id)) is not None:
                    return stored
                await self._tus.offset(upload_id)
                raise Unavailable("the upload is being finished", status=503, code="HTTP_503")
            except ArtStoreClientError as error:
                await patience.after(error)

    async def _side_by_side(self) -> None:
        """Workers that take the parts in order; the hash follows them."""
        left = iter(zip(self._parts, self._state.parts, strict=True))

        async def work() -> None:
            for part, known in left:
                await self._send(part, known)

        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._digest.follow, self._size)
                for _ in range(min(self._ways.parallel, len(self._parts))):
                    group.start_soon(work)
        except ExceptionGroup as failed:
            raise _first(failed) from None

    async def _joined(self) -> StoredFile:
        self._check_unchanged()
        self._state.joining = True
        await self._remember()
        patience = self._patience(self._finishing_seconds())
        ids = [self._known(part) for part in self._state.parts]
        while True:
            try:
                return await self._tus.join(ids)
            except ArtStoreClientError as error:
                await patience.after(error)

    async def _send(self, part: Part, known: PartState, feed: Digest | None = None) -> None:
        """Until all its bytes are there. Each failure is followed by the question how far it is: measured, not
        remembered."""
        patience = self._patience(self._finishing_seconds() if len(self._parts) == 1 else None)
        offset, furthest = None, 0
        while offset != part.length:
            await self._pause.over()
            try:
                if known.upload_id is None:
                    offset = await self._begun(part, known)
                elif offset is None:
                    offset = await self._tus.offset(known.upload_id)
                else:
                    offset = await self._appended(part, known.upload_id, offset, feed)
            except (NotFound, Gone) as error:
                offset, furthest = None, 0
                await self._forget(known)
                await patience.after(error)
            except TooLarge as error:
                offset, self._chunk = None, max(MIB, self._chunk // 2)
                if known.upload_id is None:
                    raise
                await patience.after(error)
            except ArtStoreClientError as error:
                offset = None
                await patience.after(error)
            if offset is not None:
                self._show(part, offset)
                if offset > furthest:
                    furthest = offset
                    patience.progressed()

    async def _begun(self, part: Part, known: PartState) -> int:
        key = self._state.key(part.number)
        # Not cut short where another part fails: what was begun and is not known could not be taken back.
        with anyio.CancelScope(shield=True):
            known.id = str(await self._tus.begin(part.length, key=key, partial=len(self._parts) > 1))
        await self._remember()
        return 0

    async def _forget(self, known: PartState) -> None:
        known.id, known.generation = None, known.generation + 1
        await self._remember()

    async def _remember(self) -> None:
        """A disk that is full here is no reason not to send the file elsewhere."""
        try:
            await run_sync(self._state.save)
        except OSError as error:
            if self._ways.on_note and not self._forgetful:
                self._ways.on_note(forgets(self._state.path, error))
            self._forgetful = True

    async def _appended(self, part: Part, upload_id: UUID, offset: int, feed: Digest | None) -> int:
        length = min(self._chunk, part.length - offset)
        if offset + length == part.length:
            self._check_unchanged()

        async def body() -> AsyncIterator[bytes]:
            at, end = part.start + offset, part.start + offset + length
            while at < end:
                piece = await run_sync(self._source.read_at, at, min(PIECE, end - at))
                if feed:
                    await feed.feed(at, piece)
                yield piece
                at += len(piece)
                self._show(part, at - part.start)

        return await self._tus.append(upload_id, offset, length, body)

    def _show(self, part: Part, offset: int) -> None:
        self._done[part.number] = offset
        if len(self._parts) > 1:
            self._digest.may_reach(part.start + offset)
        if self._ways.on_progress:
            self._ways.on_progress(sum(self._done), self._size)

    def _check_unchanged(self) -> None:
        if not self._source.unchanged():
            raise SourceChanged(f"{self._source.name}: the file was changed while it was uploaded")

    def _patience(self, seconds: float | None = None) -> Patience:
        ways = self._ways
        return Patience(ways.policy, ways.retry, self._pause, offline_seconds=seconds, on_note=ways.on_note)

    def _finishing_seconds(self) -> float:
        return self._ways.policy.offline_seconds + self._size / _JOINED_EACH_SECOND

    def _known(self, part: PartState) -> UUID:
        assert part.upload_id is not None
        return part.upload_id


def _first(failed: ExceptionGroup[Exception]) -> Exception:
    """Of several parts that failed, the first says why as well as any."""
    one = failed.exceptions[0]
    return _first(one) if isinstance(one, ExceptionGroup) else one
