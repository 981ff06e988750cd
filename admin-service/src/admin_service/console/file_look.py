"""What a page about one file shows: the registry's row beside its attr.json, what its element allows, and its previews."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from artstore_core.errors import ArtStoreError, UpstreamFailed
from artstore_core.modes import ALLOWED, Mode, Operation

from admin_service.console.api import Api
from admin_service.console.refusals import SignInNeeded

Found = TypeVar("Found")
COMPARED: Final = (
    "original_filename",
    "content_type",
    "size",
    "checksum",
    "uploaded_by",
    "uploaded_at",
    "description",
    "tags",
    "metadata",
    "status",
    "retention_policy",
    "ttl_days",
    "expires_at",
    "revision",
)
PATIENCE: Final = 4.0
"""Seconds for what a page can do without: an element that hangs holds nobody up."""
SMALL: Final = 512
"""Pixels that a preview is wide on the page, at the least."""
_MARK: Final = re.compile(r"(<mark>|</mark>)")


async def tried(asked: Awaitable[Found], seconds: float = PATIENCE) -> tuple[Found | None, ArtStoreError | None]:
    """What came, or why nothing came. Raises SignInNeeded: that is no part of a page."""
    try:
        async with asyncio.timeout(seconds):
            return await asked, None
    except SignInNeeded:
        raise
    except TimeoutError:
        return None, UpstreamFailed("A part of ArtStore does not answer just now")
    except ArtStoreError as error:
        return None, error


@dataclass(frozen=True, slots=True)
class Element:
    """What the file's storage element allows now. `mode` is None while nobody knows it."""

    storage_id: str
    mode: str | None

    @property
    def known(self) -> bool:
        return self.mode is not None

    def allows(self, operation: str) -> bool:
        """True as well while the mode is not known: then the API says."""
        return self.mode is None or Operation(operation) in ALLOWED[Mode(self.mode)]


@dataclass(frozen=True, slots=True)
class Picture:
    """Addresses on this host; `width` and `height` in pixels, of the small one."""

    small: str
    large: str
    page: int | None
    width: int | None
    height: int | None


@dataclass(frozen=True, slots=True)
class Previews:
    """`making`: there will be more. `reason`: why there are none, as the converter said it."""

    pictures: Sequence[Picture] = ()
    making: bool = False
    progress: str | None = None
    reason: str | None = None
    error: ArtStoreError | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """The attr.json as it stands on the element, or why it could not be read; `differs`: fields that the registry has otherwise."""

    file: Mapping[str, Any] | None
    error: ArtStoreError | None
    differs: frozenset[str]

    @classmethod
    async def of(cls, api: Api, row: Mapping[str, Any]) -> Kept:
        asked = api.get(f"/api/v1/storage-elements/{row['storage_element_id']}/files/{row['file_id']}")
        file, error = await tried(asked)
        if file is None:
            return cls(None, error, frozenset())
        return cls(file, None, frozenset(name for name in COMPARED if file.get(name) != row.get(name)))


async def element_of(api: Api, row: Mapping[str, Any]) -> Element:
    storage_id = row["storage_element_id"]
    found, _ = await tried(api.get(f"/api/v1/storage-elements/{storage_id}"))
    return Element(storage_id, found["mode"] if found else None)


def readable(row: Mapping[str, Any], now: datetime) -> bool:
    """Whether clients still see it: deleted and expired files are gone for them (requirement G2)."""
    expires = row["expires_at"]
    return row["status"] in ("active", "damaged") and (expires is None or datetime.fromisoformat(expires) > now)


async def previews(api: Api, file_id: object) -> Previews:
    listed, error = await tried(api.get(f"/api/v1/renditions/{file_id}"))
    if listed is None:
        return Previews(error=error)
    ready = [one for one in listed if one["ready"]]
    if len(ready) == len(listed):
        return Previews(pictures(ready))
    jobs, error = await tried(api.get("/api/v1/render-jobs", file_id=str(file_id), limit=1))
    job = jobs["items"][0] if jobs and jobs["items"] else None
    if job is None or job["state"] != "failed":
        return Previews(pictures(ready), making=True, progress=job["progress"] if job else None, error=error)
    return Previews(pictures(ready), reason=job["reason"])


def pictures(listed: Sequence[Mapping[str, Any]]) -> list[Picture]:
    """One for each page, or one of the whole: the smallest that is wide enough to look at, and the largest behind it."""
    for kind in ("page", "preview", "webp", "thumb"):
        found: dict[int, list[Mapping[str, Any]]] = {}
        for one in listed:
            if one["kind"] == kind and own_path(one["url"], "/api/v1/renditions/"):
                found.setdefault(one.get("page") or 0, []).append(one)
        if found:
            return [_picture(page, found[page]) for page in sorted(found)]
    return []


def _picture(page: int, sizes: Sequence[Mapping[str, Any]]) -> Picture:
    by_width = sorted(sizes, key=lambda one: one.get("width") or 0)
    small = next((one for one in by_width if (one.get("width") or 0) >= SMALL), by_width[-1])
    paths = [own_path(one["url"], "/api/v1/renditions/") or "" for one in (small, by_width[-1])]
    return Picture(paths[0], paths[1], page or None, small.get("width"), small.get("height"))


def own_path(url: str, below: str) -> str | None:
    """The address on whatever host the visitor came to: services know the gateway by one name only."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.path.startswith(below) else None


def marked(piece: str) -> list[tuple[str, bool]]:
    """A piece of the search's HTML as plain texts, each with whether it was looked for: a page escapes them itself."""
    texts, within = [], False
    for part in _MARK.split(piece):
        if part in ("<mark>", "</mark>"):
            within = part == "<mark>"
        elif part:
            texts.append((html.unescape(part), within))
    return texts
