"""Tiles of a picture, for Deep Zoom and IIIF viewers: one packed pyramid under both names.

A viewer asks for tiles by urls relative to the one it was given, so what opens them is a part of the path.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final
from uuid import UUID

from artstore_core.errors import NotFound
from artstore_transfer import Conditions, Verdict, http_date, judge
from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from render_service.decoders.tiles import TILE_MEDIA_TYPE
from render_service.http.content import PRIVATE
from render_service.renditions.packs import Pack, Packs
from render_service.renditions.pyramid import Tile, dzi, iiif_tile, info
from render_service.renditions.rendition import Kept
from render_service.renditions.ways import BASE, Ways

View = Annotated[str, Path(max_length=64, description="As it stands in the url")]
_FILE: Final = re.compile(r"(\d{1,5})_(\d{1,5})\.jpg")
_HEADERS: Final = PRIVATE | {"X-Content-Type-Options": "nosniff", "Content-Disposition": "inline"}
_TILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The tile", "content": {TILE_MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
    304: {"description": "Not modified"},
}
_DZI: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The descriptor", "content": {"application/xml": {"schema": {"type": "string"}}}}
}
_INFO: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The information", "content": {"application/ld+json": {"schema": {"type": "object"}}}}
}


def router(packs: Packs, ways: Ways) -> APIRouter:
    router = APIRouter(prefix=f"{BASE}/{{file_id}}/tiles/{{view}}", tags=["renditions"])

    async def give(request: Request, view: str, kept: Kept, pack: Pack, tile: Tile) -> Response:
        one = kept.rendition
        etag = f'"{one.checksum[:32]}-{tile.level}-{tile.column}-{tile.row}"'
        headers = _HEADERS | {"ETag": etag, "Last-Modified": http_date(one.made_at)}
        pack.place(tile)  # before the condition: what does not exist is not unmodified
        conditions = Conditions.of(request.scope["headers"])
        if judge(request.method, conditions, etag=etag, last_modified=one.made_at) is Verdict.NOT_MODIFIED:
            return Response(status_code=304, headers=headers)
        return Response(await packs.tile(view, kept, pack, tile), media_type=TILE_MEDIA_TYPE, headers=headers)

    @router.get("/image.dzi", response_class=Response, responses=_DZI)
    async def get_dzi(file_id: UUID, view: View) -> Response:
        """The Deep Zoom descriptor; its tiles are at `image_files/{level}/{column}_{row}.jpg` beside it."""
        _, pack = await packs.find(view, file_id)
        return Response(dzi(pack.pyramid), media_type="application/xml", headers=_HEADERS)

    @router.get("/image_files/{level}/{name}", response_class=Response, responses=_TILE)
    async def get_dzi_tile(request: Request, file_id: UUID, view: View, level: int, name: str) -> Response:
        """One tile."""
        kept, pack = await packs.find(view, file_id)
        if (found := _FILE.fullmatch(name)) is None:
            raise NotFound("There is no such tile")
        return await give(request, view, kept, pack, Tile(level, int(found[1]), int(found[2])))

    @router.get("/iiif", response_class=RedirectResponse, status_code=303)
    async def get_iiif(file_id: UUID, view: View) -> Response:
        """To the image's information (IIIF Image API 3.0 §2)."""
        await packs.find(view, file_id)
        return RedirectResponse(f"{ways.public_url}{BASE}/{file_id}/tiles/{view}/iiif/info.json", 303)

    @router.get("/iiif/info.json", response_class=Response, responses=_INFO)
    async def get_info(file_id: UUID, view: View) -> Response:
        """The image's information (IIIF Image API 3.0 §5), at level 0."""
        _, pack = await packs.find(view, file_id)
        base = f"{ways.public_url}{BASE}/{file_id}/tiles/{view}/iiif"
        form = 'application/ld+json;profile="http://iiif.io/api/image/3/context.json"'
        return JSONResponse(info(pack.pyramid, base), media_type=form, headers=_HEADERS)

    @router.get("/iiif/{region}/{size}/{rotation}/{name}", response_class=Response, responses=_TILE)
    async def get_iiif_tile(
        request: Request, file_id: UUID, view: View, region: str, size: str, rotation: str, name: str
    ) -> Response:
        """One tile, or the whole picture at one of the `sizes`; rotation 0, `default.jpg` (level 0: no more than that)."""
        kept, pack = await packs.find(view, file_id)
        if (rotation, name) != ("0", "default.jpg"):
            raise NotFound("There is no such tile")
        return await give(request, view, kept, pack, iiif_tile(pack.pyramid, region, size))

    return router
