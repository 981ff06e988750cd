"""Styles and scripts, each under an address that names its content: a browser keeps it for ever, and never an old one."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from artstore_core.errors import NotFound
from fastapi import APIRouter, Request, Response

OWN = Path(__file__).with_name("static")
VENDOR = OWN / "vendor"
"""What the build takes out of packages (`make assets`); the pages read well without it."""


@dataclass(frozen=True, slots=True)
class Asset:
    name: str
    digest: str
    media_type: str
    plain: bytes
    packed: bytes

    @property
    def path(self) -> str:
        return f"assets/{self.digest}/{self.name}"


class Assets:
    def __init__(self, files: Mapping[str, Asset]) -> None:
        self._files = files

    @classmethod
    def of(cls, *directories: Path) -> Assets:
        """Read whole: it is a few hundred KiB."""
        files = {}
        for directory in directories:
            for path in sorted(directory.glob("*.*")):
                if path.suffix in (".css", ".js", ".svg"):
                    files[path.name] = _asset(path)
        return cls(files)

    def path(self, name: str) -> str | None:
        """Below the console's own path. None when the build left it out."""
        asset = self._files.get(name)
        return asset.path if asset else None

    def router(self) -> APIRouter:
        routes = APIRouter()

        @routes.get("/assets/{digest}/{name}")
        async def asset(request: Request, digest: str, name: str) -> Response:
            found = self._files.get(name)
            if found is None or found.digest != digest:
                raise NotFound("There is no such script or style")
            headers = {
                "Cache-Control": "public, max-age=31536000, immutable",
                "Vary": "Accept-Encoding",
                "X-Content-Type-Options": "nosniff",
            }
            if "gzip" in request.headers.get("accept-encoding", ""):
                return Response(
                    found.packed, media_type=found.media_type, headers=headers | {"Content-Encoding": "gzip"}
                )
            return Response(found.plain, media_type=found.media_type, headers=headers)

        return routes


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    digest = hashlib.sha256(content).hexdigest()[:16]
    return Asset(path.name, digest, media_type, content, gzip.compress(content, 9, mtime=0))
