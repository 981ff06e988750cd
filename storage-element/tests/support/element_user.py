"""One who uses an element as services do, remembers what it was told, and holds the element to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from threading import Event
from typing import Any
from uuid import UUID

import httpx

_MOST_BYTES = 6 * 1024 * 1024
METADATA = {"original_filename": "a.bin", "content_type": "application/octet-stream", "uploaded_by": "sa:x"}


@dataclass
class Promised:
    data: bytes
    revision: int = 1
    tags: list[str] = field(default_factory=list)


class User:
    """Its files are its own: nobody else changes them. Every answer must be the good one, or 507 STORAGE_FULL."""

    def __init__(self, client: httpx.Client, header: dict[str, str], seed: int) -> None:
        self._client, self._header, self.random = client, header, Random(seed)
        self.files: dict[str, Promised] = {}
        self.half: dict[str, bytes] = {}
        self.deleted: set[str] = set()
        self.refused: set[str] = set()
        self.answers: Counter[tuple[str, int]] = Counter()

    def work(self, until: Event) -> None:
        """Whatever services do, in any order."""
        small, large = self.random.randint(0, 60_000), self.random.randint(66_000, 2_000_000)
        while not until.is_set():
            if sum(len(file.data) for file in self.files.values()) > _MOST_BYTES:
                self.delete_one()
            act = self.random.choice(
                [
                    lambda: self.put(small),
                    lambda: self.put(large),
                    lambda: self.put_in_parts(large),
                    self.finish_one,
                    self.patch_one,
                    self.patch_one,
                    self.delete_one,
                    self.read_one,
                ]
            )
            act()

    def put(self, size: int) -> bool:
        file_id, data = self._new(size)
        answer = self._client.put(f"/api/v1/files/{file_id}", content=data, headers=self._header)
        if self._good("put", answer, 201):
            self.files[file_id] = Promised(data, tags=list(answer.json()["tags"]))
            return True
        self.refused.add(file_id)
        return False

    def put_in_parts(self, size: int, *, whole: bool = True) -> None:
        upload_id, data = self._new(size)
        said = self.random.choice([size, None])
        if not self._good("begin", self._client.post(f"/api/v1/uploads/{upload_id}", json={"size": said}), 201):
            self.refused.add(upload_id)
            return
        self.half[upload_id] = data
        if self._append(upload_id, data[: size // 2]) and whole:
            self.finish(upload_id)

    def finish_one(self) -> None:
        if self.half:
            self.finish(self.random.choice(sorted(self.half)))

    def finish(self, upload_id: str) -> bool:
        """Goes on with an upload from where it stands. Of the part that was refused, all or nothing is there."""
        data = self.half[upload_id]
        answer = self._client.head(f"/api/v1/uploads/{upload_id}")
        assert answer.status_code == 200, answer.status_code
        offset = int(answer.headers["upload-offset"])
        assert offset in (0, len(data) // 2, len(data)), offset
        if offset < len(data) and not self._append(upload_id, data[offset:]):
            return False
        body = {"metadata": METADATA, "size": len(data), "sha256": sha256(data).hexdigest()}
        if not self._good("complete", self._client.post(f"/api/v1/uploads/{upload_id}/complete", json=body), 201):
            return False
        self.files[upload_id] = Promised(self.half.pop(upload_id))
        return True

    def abort(self, upload_id: str) -> None:
        """Which needs no room."""
        answer = self._client.delete(f"/api/v1/uploads/{upload_id}")
        assert answer.status_code == 204, answer.text
        del self.half[upload_id]
        self.refused.add(upload_id)

    def patch_one(self) -> bool:
        if not self.files:
            return False
        file_id, file = self._any()
        tags = [str(self.random.random())]
        answer = self._client.patch(
            f"/api/v1/files/{file_id}", json={"tags": tags}, headers={"If-Match": f'"{file.revision}"'}
        )
        if not self._good("patch", answer, 200):
            return False
        file.revision, file.tags = file.revision + 1, tags
        return True

    def delete_one(self) -> bool:
        if not self.files:
            return False
        file_id, _ = self._any()
        if not self._good("delete", self._client.delete(f"/api/v1/files/{file_id}"), 204):
            return False
        del self.files[file_id]
        self.deleted.add(file_id)
        return True

    def read_one(self) -> None:
        if self.files:
            self._read(*self._any())

    def names_in_staging(self) -> set[str]:
        """Of what is half there, and nothing else."""
        return {f"{upload_id}.{end}" for upload_id in self.half for end in ("part", "upload.json")}

    def check(self) -> None:
        """Everything is as it was told, by its id; a full disk is no excuse."""
        for file_id, file in self.files.items():
            self._read(file_id, file)
        for file_id in self.deleted | self.refused | set(self.half):
            for path in (f"/api/v1/files/{file_id}", f"/api/v1/files/{file_id}/download"):
                assert self._client.get(path).status_code == 404

    def _read(self, file_id: str, file: Promised) -> None:
        answer = self._client.get(f"/api/v1/files/{file_id}/download")
        assert (answer.status_code, answer.content == file.data) == (200, True), (file_id, answer.status_code)
        answer = self._client.get(f"/api/v1/files/{file_id}")
        assert answer.status_code == 200, answer.text
        self.compare(answer.json())

    def compare(self, told: dict[str, Any]) -> None:
        """`told` is what the element says of one of this one's files."""
        file = self.files[told["file_id"]]
        assert (told["size"], told["status"]) == (len(file.data), "active")
        assert told["checksum"] == sha256(file.data).hexdigest()
        assert (told["revision"], told["tags"]) == (file.revision, file.tags)

    def _append(self, upload_id: str, piece: bytes) -> bool:
        offset = self._client.head(f"/api/v1/uploads/{upload_id}").headers["upload-offset"]
        answer = self._client.patch(f"/api/v1/uploads/{upload_id}", content=piece, headers={"Upload-Offset": offset})
        return self._good("append", answer, 204)

    def _new(self, size: int) -> tuple[str, bytes]:
        return str(UUID(int=self.random.getrandbits(128))), self.random.randbytes(size)

    def _any(self) -> tuple[str, Promised]:
        return self.random.choice(list(self.files.items()))

    def _good(self, what: str, answer: httpx.Response, good: int) -> bool:
        self.answers[what, answer.status_code] += 1
        if answer.status_code == good:
            return True
        assert (answer.status_code, answer.json()["error"]["code"]) == (507, "STORAGE_FULL"), (what, answer.text)
        return False


def check_list(client: httpx.Client, users: Iterable[User], *, may_wait: bool = False) -> None:
    """What is listed is what was promised, all of it, as it was told last. Where something `may_wait` for its place on
    a full disk, there may be no list: one that lacks a file would be worse."""
    owners = {file_id: user for user in users for file_id in user.files}
    listed, more = set[str](), {"status": "active", "limit": "1000"}
    while more:
        answer = client.get("/api/v1/files", params=more)
        if may_wait and answer.status_code == 503:
            assert answer.json()["error"]["code"] == "STORAGE_UNAVAILABLE"
            return
        assert answer.status_code == 200, answer.text
        for file in answer.json()["items"]:
            owners[file["file_id"]].compare(file)
            listed.add(file["file_id"])
        more = more | {"after": answer.json()["items"][-1]["file_id"]} if answer.json()["has_more"] else {}
    assert listed == set(owners)
