"""From a file to the upload that a killed client left of it, if it left one."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol
from uuid import UUID

import anyio
from anyio.to_thread import run_sync

from artstore_client.config import Config
from artstore_client.errors import ArtStoreClientError, IntegrityError, SourceChanged, TypeNotAllowed, Unprocessable
from artstore_client.models import StoredFile
from artstore_client.multipart import Field
from artstore_client.resumable.patience import passes
from artstore_client.resumable.plan import part_length, parts_of
from artstore_client.resumable.protocol import Tus
from artstore_client.resumable.sending import Sending, Ways
from artstore_client.resumable.state import PartState, State, forgets, load, locked, named, sweep
from artstore_client.retry import RetryPolicy
from artstore_client.source import Source
from artstore_client.transport import Transport

_GIVE_UP_SECONDS = 30.0
_USELESS = (SourceChanged, IntegrityError, TypeNotAllowed, Unprocessable)
"""After these the bytes that were sent serve nothing any more."""


async def store(
    transport: Transport,
    config: Config,
    source: Source,
    fields: Sequence[Field],
    ways: Ways,
    *,
    filename: str,
    resume: bool,
) -> StoredFile:
    """Raises AlreadyUploading where somebody else is sending this very file, and as `Sending.run`."""
    tus = Tus(transport, filename, source.content_type, fields)
    with ExitStack() as held:
        path = await _remembered_at(config, source, filename, fields, ways, held) if resume else None
        state = await _state(path, tus, source, ways)
        sending = Sending(tus, source, parts_of(source.size or 0, state.part_bytes), state, ways)
        try:
            stored = await sending.run()
        except BaseException as error:
            # Without a memory nobody could go on with it; and a useless one would only fail again.
            if path is None or not path.exists() or isinstance(error, _USELESS):
                await _give_up(tus, state, ways.retry)
            raise
        await run_sync(state.remove)
    return stored


async def _remembered_at(
    config: Config, source: Source, filename: str, fields: Sequence[Field], ways: Ways, held: ExitStack
) -> Path | None:
    """Where this upload's state is, locked; None for what has no path, and where there is no place for it."""
    if source.path is None:
        return None
    directory = ways.policy.states()
    words = json.dumps([filename, *fields], ensure_ascii=True)
    where = await run_sync(os.path.realpath, source.path)
    name = named(config.url, config.client_id, where, words)
    try:
        path = await run_sync(held.enter_context, locked(directory, name))
        await run_sync(sweep, directory, time.time())
    except OSError as error:
        if ways.on_note:
            ways.on_note(forgets(directory, error))
        return None
    return path


async def _state(path: Path | None, tus: Tus, source: Source, ways: Ways) -> State:
    """What is left of an upload before, or a new one."""
    left = await run_sync(load, path) if path else None
    if left is not None and left.fingerprint == source.fingerprint:
        if ways.on_note:
            ways.on_note("going on with the upload that was cut")
        return left
    if left is not None:
        if ways.on_note:
            ways.on_note("the file was changed since its upload was cut: it is sent anew")
        await _give_up(tus, left, ways.retry)
    size = source.size or 0
    length = part_length(size, ways.policy, ways.parallel)
    parts = [PartState() for _ in parts_of(size, length)]
    return State(source.fingerprint, length, parts, path, str(source.path or ""))


async def _give_up(tus: Tus, state: State, retry: RetryPolicy) -> None:
    """Nothing of it stays, here and, if that can be done soon, on the server; the rest expires by itself."""
    with anyio.move_on_after(_GIVE_UP_SECONDS, shield=True):
        for part in state.parts:
            if part.upload_id:
                await taken_back(tus, part.upload_id, retry)
    with anyio.CancelScope(shield=True):
        await run_sync(state.remove)


class Held(Protocol):
    async def give_up(self, upload_id: UUID) -> None: ...


async def taken_back(tus: Held, upload_id: UUID, retry: RetryPolicy) -> None:
    """More than once: the server may not have noticed yet that nobody sends any more, and holds the upload for who did."""
    for failures in range(1, retry.attempts + 1):
        try:
            return await tus.give_up(upload_id)
        except ArtStoreClientError as error:
            if not passes(error):
                return None
        if failures < retry.attempts:
            await anyio.sleep(retry.back_off(failures))
    return None
