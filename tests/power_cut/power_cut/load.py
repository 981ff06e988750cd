"""Clients that do everything that can be done to files, and keep a ledger of what they were promised.

Each client works on files of its own, so that a file's changes follow each other; between them they keep the element's
commits in groups of every size. A client stops at the first answer that it did not expect: a run whose element refuses
things shows nothing.
"""

from __future__ import annotations

import base64
import json
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Final
from uuid import UUID

import httpx

from power_cut.promises import Append, Content, FileHistory, Heard, Ledger, State, Step, UploadHistory

CLIENTS: Final = 6
KIB, MIB = 1024, 1024 * 1024
SMALL: Final = (10, 64 * KIB)
"""Bodies that travel in the log's record."""
LARGE: Final = (65 * KIB, 3 * MIB)
PIECES: Final = ((1, 64 * KIB), (256 * KIB, MIB))
"""Of an upload: short ones end within a block of the disk, and the next one goes on in it."""
_LEFT: Final = 0.05
_NEW_SHARD: Final = 0.05
_LONGEST_PAUSE: Final = 0.05
_FEED_PAUSE: Final = 0.1
_WORDS: Final = ("отчёт", "invoice", "скан", "contract", "Zürich", "2026", "акт", "draft")


class Unexpected(Exception):
    """An answer that the element must not give here."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What this element offers beside uploads; the rest is left out."""

    patch: bool
    delete: bool
    feed: bool
    checkpoint: bool

    @classmethod
    def ask(cls, client: httpx.Client) -> Abilities:
        """A route that is there says 404 to a file that is not; one that is not there says 405, or knows no path."""
        file = f"/api/v1/files/{UUID(int=0)}"
        return cls(
            patch=client.patch(file, json={"tags": []}, headers={"If-Match": '"1"'}).status_code != 405,
            delete=client.delete(file, headers={"If-Match": '"1"'}).status_code != 405,
            feed=client.get("/api/v1/changes").status_code not in (404, 405),
            checkpoint=client.post("/api/v1/maintenance/checkpoint").status_code not in (404, 405),
        )


class Names:
    """Ids for files: mostly in directories that are there already, now and then in a new one."""

    def __init__(self, chance: Random) -> None:
        self._chance, self._shards = chance, [0]

    def new(self) -> UUID:
        """A UUIDv7 by its shape (RFC 9562): the element shards by the last twelve bits."""
        if self._chance.random() < _NEW_SHARD:
            self._shards.append(self._chance.getrandbits(12))
        bits = self._chance.getrandbits(128) & ~0xFFF | self._chance.choice(self._shards)
        return UUID(int=bits & ~(0xF << 76 | 3 << 62) | 7 << 76 | 2 << 62)


@dataclass
class Budget:
    """How many bytes of large files may be sent by now: the disk is small, and the whole time should see some."""

    most: int
    seconds: float
    began: float = field(default_factory=time.monotonic)
    used: int = 0

    def allows(self, size: int) -> bool:
        share = min(1.0, (time.monotonic() - self.began) / self.seconds)
        if self.used + size > self.most * share:
            return False
        self.used += size
        return True


class Client:
    """One client, in a thread of its own."""

    def __init__(
        self, http: httpx.Client, ledger: Ledger, abilities: Abilities, budget: Budget, names: Names, chance: Random
    ) -> None:
        self._http, self._ledger, self._abilities, self._budget = http, ledger, abilities, budget
        self._names, self._chance = names, chance
        self._mine: list[UUID] = []
        self._actions: list[tuple[Callable[[], None], int]] = [(self._put, 10), (self._upload, 3)]
        if abilities.patch:
            self._actions.append((self._patch, 4))
        if abilities.delete:
            self._actions.append((self._delete, 2))

    def run(self, stop: threading.Event) -> None:
        """Until `stop`. Raises Unexpected."""
        doings, weights = zip(*self._actions, strict=True)
        while not stop.wait(self._chance.uniform(0, _LONGEST_PAUSE)):
            self._chance.choices(doings, weights)[0]()

    def _put(self) -> None:
        content, record = self._content(), self._record()
        file_id, step = self._begin_file(content, record)
        answer = self._http.put(f"/api/v1/files/{file_id}", content=content.data(), headers=put_headers(record))
        self._settle(file_id, step, answer, 201)

    def _upload(self) -> None:
        """In pieces; now and then it is left there, half done."""
        content = self._content()
        upload_id = self._names.new()
        path, data, offset = f"/api/v1/uploads/{upload_id}", content.data(), 0
        history = self._ledger.uploads[upload_id] = UploadHistory(content)
        self._append(history, 0, lambda: self._http.post(path, json={"size": content.size}), 201)
        while offset < content.size:
            end = min(content.size, offset + self._size(self._chance.choice(PIECES)))
            piece, headers = data[offset:end], {"Upload-Offset": str(offset)}
            self._append(history, end, lambda: self._http.patch(path, content=piece, headers=headers), 204)  # noqa: B023
            offset = end
            if self._chance.random() < _LEFT:
                return
        record = self._record()
        _, step = self._begin_file(content, record, upload_id)
        completion = {"metadata": record, "size": content.size, "sha256": content.checksum}
        self._settle(upload_id, step, self._http.post(f"{path}/complete", json=completion), 201)

    def _append(self, history: UploadHistory, offset: int, send: Callable[[], httpx.Response], status: int) -> None:
        append = Append(offset, time.monotonic_ns())
        history.appends.append(append)
        expect(send(), status)
        append.answered = time.monotonic_ns()

    def _patch(self) -> None:
        if not self._mine:
            return
        file_id = self._chance.choice(self._mine)
        before = self._ledger.files[file_id].steps[-1].state
        fields = self._record(only=("description", "tags", "metadata"))
        changes = {name: fields[name] for name in self._chance.sample(sorted(fields), self._chance.randint(1, 3))}
        after = replace(before, revision=before.revision + 1, **_as_state(changes))
        step = self._begin(file_id, after)
        headers = {"If-Match": f'"{before.revision}"'}
        self._settle(file_id, step, self._http.patch(f"/api/v1/files/{file_id}", json=changes, headers=headers), 200)

    def _delete(self) -> None:
        if not self._mine:
            return
        file_id = self._mine.pop(self._chance.randrange(len(self._mine)))
        before = self._ledger.files[file_id].steps[-1].state
        step = self._begin(file_id, before.deleted())
        headers = {"If-Match": f'"{before.revision}"'}
        expect(self._http.delete(f"/api/v1/files/{file_id}", headers=headers), 204)
        step.answered = time.monotonic_ns()

    def _begin_file(self, content: Content, record: dict[str, Any], file_id: UUID | None = None) -> tuple[UUID, Step]:
        file_id = file_id or self._names.new()
        self._ledger.files[file_id] = FileHistory(content)
        first = State(record["original_filename"], content.size, content.checksum, None, (), "{}", revision=1)
        return file_id, self._begin(file_id, replace(first, **_as_state(record)))

    def _begin(self, file_id: UUID, state: State) -> Step:
        step = Step(state, time.monotonic_ns())
        self._ledger.files[file_id].steps.append(step)
        return step

    def _settle(self, file_id: UUID, step: Step, answer: httpx.Response, status: int) -> None:
        moment = time.monotonic_ns()
        expect(answer, status)
        if State.of(answer.json()) != step.state:
            raise Unexpected(f"{answer.request.method} answered {answer.text}, not {step.state}")
        step.answered = moment
        if file_id not in self._mine:
            self._mine.append(file_id)

    def _content(self) -> Content:
        size = self._size(LARGE) if self._chance.random() < 0.25 else self._size(SMALL)
        if size > SMALL[1] and not self._budget.allows(size):
            size = self._size(SMALL)
        return Content(self._chance.getrandbits(64), size)

    def _size(self, bounds: tuple[int, int]) -> int:
        """As many of each order of magnitude."""
        low, high = bounds
        return round(low * math.pow(high / low, self._chance.random()))

    def _record(self, only: tuple[str, ...] = ()) -> dict[str, Any]:
        words = self._chance.choices(_WORDS, k=4)
        record = {
            "original_filename": f"{words[0]} {words[1]}.bin",
            "content_type": "application/octet-stream",
            "uploaded_by": "sa:sa_power_cut",
            "description": " ".join(words * self._chance.randint(1, 50)),
            "tags": sorted(set(words)),
            "metadata": {"word": words[2], "number": self._chance.getrandbits(40)},
        }
        return {name: record[name] for name in only} if only else record


class FeedReader:
    """Follows the change feed, and remembers what it was told."""

    def __init__(self, http: httpx.Client, ledger: Ledger) -> None:
        self._http, self._ledger = http, ledger

    def run(self, stop: threading.Event) -> None:
        asked: dict[str, str | int] = {"after": 0, "limit": 1000}
        while not stop.wait(_FEED_PAUSE):
            answer = self._http.get("/api/v1/changes", params=asked)
            moment = time.monotonic_ns()
            expect(answer, 200)
            page = answer.json()
            asked["epoch"] = epoch = page["epoch"]
            for item in page["items"]:
                asked["after"], file = item["sequence"], item["file"]
                heard = Heard(moment, epoch, UUID(file["file_id"]), item["sequence"], file["revision"])
                self._ledger.heard.append(heard)


def _as_state(record: dict[str, Any]) -> dict[str, Any]:
    changes = {name: record[name] for name in ("description",) if name in record}
    if "tags" in record:
        changes["tags"] = tuple(record["tags"])
    if "metadata" in record:
        changes["metadata"] = json.dumps(record["metadata"], sort_keys=True)
    return changes


def put_headers(record: dict[str, Any]) -> dict[str, str]:
    """What PUT wants beside the bytes."""
    return {"Artstore-Metadata": base64.urlsafe_b64encode(json.dumps(record).encode()).rstrip(b"=").decode()}


def expect(answer: httpx.Response, status: int) -> None:
    """Raises Unexpected."""
    if answer.status_code != status:
        raise Unexpected(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text:.300}")
