"""What an element is asked after a power cut: is all there that was promised, is nothing there in part, does it work?

Through HTTP, the way its clients see it. Only the bulk of the bytes is read from the data root itself, which holds the
same files after recovery (the README's layout); where those are not right there, the answer over HTTP counts.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, Final
from uuid import UUID

import httpx

from power_cut.element import START_SECONDS
from power_cut.judging import Finding, Kind, judge_bytes, judge_record, judge_strangers
from power_cut.load import put_headers
from power_cut.promises import ACTIVE, DELETED, Content, Ledger, State

_SAMPLE: Final = 6
"""Files that are downloaded over HTTP: so many of those that changed last, and so many others."""
_RESUMED: Final = 2


@dataclass
class Seen:
    """What was found. `ready` is when the element answered first, in nanoseconds of the monotonic clock."""

    ready: int = 0
    files: int = 0
    downloads: int = 0
    uploads: int = 0
    findings: list[Finding] = field(default_factory=list)


@dataclass
class Aftermath:
    """One look at one element after a cut at `moment`. `data` is its data root."""

    client: httpx.AsyncClient
    data: Path
    ledger: Ledger
    moment: int
    chance: Random
    patience: float = START_SECONDS
    seen: Seen = field(default_factory=Seen)

    async def look(self) -> Seen:
        """Never raises for what the element does: that is a finding."""
        try:
            await self._until_ready()
            await self._look_at_files()
            await self._look_at_feed()
            await self._look_at_uploads()
            await self._look_whether_it_works()
        except (httpx.HTTPError, KeyError, ValueError, OSError, _Refused) as error:
            self._found(Kind.BROKEN, f"{type(error).__name__}: {error}", "")
        return self.seen

    async def _until_ready(self) -> None:
        deadline = time.monotonic() + self.patience
        while not (answer := await self.client.get("/api/v1/info")).is_success:
            if time.monotonic() > deadline:
                raise _Refused(f"it does not become ready: {answer.text}")
            await asyncio.sleep(0.002)
        self.seen.ready = time.monotonic_ns()

    async def _look_at_files(self) -> None:
        listed = {UUID(one["file_id"]): State.of(one) for one in await self._list()}
        self.seen.findings += judge_strangers(listed, self.ledger.files, self.moment)
        begun = [file_id for file_id, history in self.ledger.files.items() if history.changed(self.moment)]
        whole = []
        for file_id in begun:
            state, history = listed.get(file_id), self.ledger.files[file_id]
            finding = judge_record(file_id, history, self.moment, state)
            if finding is not None:
                self.seen.findings.append(finding)
            elif state is not None:
                self.seen.files += 1
                whole.append((file_id, state))
        for file_id, state in whole:
            await self._look_at_disk(file_id, state)
        await self._look_through_http(whole)

    async def _look_at_disk(self, file_id: UUID, state: State) -> None:
        shard = self.data / "files" / file_id.hex[-3:]
        try:
            record = json.loads((shard / f"{file_id}.attr.json").read_bytes())
        except (OSError, ValueError):
            self._found(Kind.CORRUPT, "the record beside the bytes is missing or cannot be read", str(file_id))
            return
        if State.of(record) != state or not _is_as_written(record):
            self._found(Kind.CORRUPT, "the record beside the bytes says something else than the element", str(file_id))
        if state.status == ACTIVE:
            path = shard / f"{file_id}.data"
            checksum = sha256(path.read_bytes()).hexdigest() if path.exists() else None
            if checksum != state.checksum:
                await self._download(file_id)

    async def _look_through_http(self, files: list[tuple[UUID, State]]) -> None:
        """The last ones to change are the likeliest to be hurt."""
        last = sorted(files, key=lambda one: self.ledger.files[one[0]].changed(self.moment))[-_SAMPLE:]
        for file_id, state in dict([*last, *self.chance.sample(files, min(_SAMPLE, len(files)))]).items():
            if state.status == ACTIVE:
                await self._download(file_id)
            answer = await self.client.get(f"/api/v1/files/{file_id}")
            expected = (404, None) if state.status == DELETED else (200, f'"{state.revision}"')
            if (answer.status_code, answer.headers.get("ETag")) != expected:
                self._found(Kind.CORRUPT, f"it lists {state.status}, and says {answer.status_code}", str(file_id))

    async def _download(self, file_id: UUID) -> None:
        answer = await self.client.get(f"/api/v1/files/{file_id}/download")
        self.seen.downloads += 1
        checksum = sha256(answer.content).hexdigest() if answer.status_code == 200 else None
        finding = judge_bytes(file_id, self.ledger.files[file_id], self.moment, checksum)
        if finding is not None:
            self.seen.findings.append(finding)

    async def _look_at_feed(self) -> None:
        """Whoever follows the feed goes on where he was: what he was told must still be so, in the same epoch."""
        heard = [one for one in self.ledger.heard if one.answered <= self.moment]
        if not heard:
            return
        epoch, told = await self._feed()
        for one in {one.file_id: one for one in heard if one.epoch == epoch}.values():
            sequence, revision = told.get(one.file_id, (0, 0))
            if sequence < one.sequence or (sequence == one.sequence and revision != one.revision):
                what = f"the feed told of change {one.sequence}, revision {one.revision}; now {sequence}, {revision}"
                self._found(Kind.LOST, what, str(one.file_id))

    async def _look_at_uploads(self) -> None:
        unfinished = []
        for upload_id, history in self.ledger.uploads.items():
            bounds = history.offsets(self.moment)
            file = self.ledger.files.get(upload_id)
            if bounds is None or (file is not None and file.is_promised(self.moment)):
                continue
            self.seen.uploads += 1
            answer = await self.client.head(f"/api/v1/uploads/{upload_id}")
            if answer.status_code == 200 and bounds[0] <= (offset := int(answer.headers["Upload-Offset"])) <= bounds[1]:
                if self._has_what_was_sent(upload_id, history.content, offset, bounds[0]):
                    unfinished.append((upload_id, history.content, offset))
            elif not (file is not None and file.changed(self.moment) and await self._is_there(upload_id)):
                told = f"{answer.status_code}, offset {answer.headers.get('Upload-Offset')}"
                self._found(Kind.LOST, f"an upload of at least {bounds[0]} bytes is {told}", str(upload_id))
        for one in self.chance.sample(unfinished, min(_RESUMED, len(unfinished))):
            await self._finish(*one)

    def _has_what_was_sent(self, upload_id: UUID, content: Content, offset: int, promised: int) -> bool:
        """A client goes on at the offset that it is told: so all before it must be what was sent, promised or not."""
        there = (self.data / "staging" / f"{upload_id}.part").read_bytes()
        sent = content.data()[:offset]
        if there == sent:
            return True
        wrong = next((at for at, (one, other) in enumerate(zip(there, sent, strict=False)) if one != other), len(there))
        kind = Kind.LOST if wrong < promised else Kind.CORRUPT
        instead = "other bytes" if there[wrong:].strip(b"\0") else "zeros"
        what = f"{promised} bytes were promised, it says {offset}, and from {wrong} on there are {instead}"
        self._found(kind, f"of an upload {what}", str(upload_id))
        return False

    async def _is_there(self, file_id: UUID) -> bool:
        return (await self.client.get(f"/api/v1/files/{file_id}")).status_code == 200

    async def _finish(self, upload_id: UUID, content: Content, offset: int) -> None:
        """The bytes that were promised are right if the whole has its checksum."""
        path, record = f"/api/v1/uploads/{upload_id}", {"uploaded_by": "sa:x", "content_type": "a/b"}
        rest, headers = content.data()[offset:], {"Upload-Offset": str(offset)}
        if rest and (answer := await self.client.patch(path, content=rest, headers=headers)).status_code != 204:
            raise _Refused(f"PATCH {path}: {answer.text}")
        completion = {"metadata": record | {"original_filename": "x"}, "sha256": content.checksum}
        answer = await self.client.post(f"{path}/complete", json=completion)
        if answer.status_code != 201:
            self._found(Kind.LOST, f"an upload cannot be completed: {answer.text}", str(upload_id))

    async def _look_whether_it_works(self) -> None:
        content = Content(self.chance.getrandbits(64), self.chance.choice((10, 100_000)))
        path = f"/api/v1/files/{UUID(int=self.chance.getrandbits(128))}"
        record = {"uploaded_by": "sa:x", "content_type": "a/b", "original_filename": "x"}
        answer = await self.client.put(path, content=content.data(), headers=put_headers(record))
        if answer.status_code != 201:
            raise _Refused(f"it takes no files any more: {answer.text}")
        if (await self.client.get(f"{path}/download")).content != content.data():
            self._found(Kind.CORRUPT, "a file that came after the cut", path)

    async def _list(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            after = {"after": found[-1]["file_id"]} if found else {}
            page = await self._get("/api/v1/files", {"limit": 1000, **after})
            found += page["items"]
            if not page["has_more"]:
                return found

    async def _feed(self) -> tuple[str, dict[UUID, tuple[int, int]]]:
        """Its epoch; and of each file the last change and the revision it made."""
        told: dict[UUID, tuple[int, int]] = {}
        after = 0
        while True:
            page = await self._get("/api/v1/changes", {"after": after, "limit": 1000})
            for item in page["items"]:
                after = item["sequence"]
                told[UUID(item["file"]["file_id"])] = after, item["file"]["revision"]
            if not page["has_more"]:
                return page["epoch"], told

    async def _get(self, path: str, parameters: dict[str, Any]) -> dict[str, Any]:
        answer = await self.client.get(path, params=parameters)
        if answer.status_code != 200:
            raise _Refused(f"GET {path}: {answer.status_code} {answer.text:.300}")
        found: dict[str, Any] = answer.json()
        return found

    def _found(self, kind: Kind, what: str, subject: str) -> None:
        self.seen.findings.append(Finding(kind, what, subject))


class _Refused(Exception):
    """An answer after which there is no use in asking more."""


def _is_as_written(record: dict[str, Any]) -> bool:
    """`record_checksum` of an attr.json, where it has one."""
    fields = {name: value for name, value in record.items() if name != "record_checksum"}
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return record.get("record_checksum") in (None, sha256(text.encode()).hexdigest())
