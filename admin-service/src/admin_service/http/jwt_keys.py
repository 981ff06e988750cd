"""Signing keys over HTTP: how they stand, and the next one. Never their private halves."""

from typing import Annotated

from artstore_auth.guard import Guard
from artstore_core.files import Moment
from artstore_core.pages import Page
from artstore_core.scopes import Principal, Scope
from artstore_kit.paging import Paging
from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from admin_service.http.caller import Caller, Callers
from admin_service.identity.rotation import KeyLife, KeyRotation, KeyStatus


class RotationIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    immediate: bool = Field(default=False, description="For a key that leaked: the new one signs at once")


class KeyOut(BaseModel):
    """`next` is published and will sign; `active` signs; of a `retiring` one only tokens are left."""

    kid: str
    status: KeyStatus
    created_at: Moment = Field(description="Published since")
    active_from: Moment = Field(description="Signs from then until the next key does")
    retires_at: Moment | None = Field(description="Withdrawn then; known once the next key is there")
    withdrawn_at: Moment | None

    @classmethod
    def of(cls, life: KeyLife) -> "KeyOut":
        key = life.key
        return cls(
            kid=key.kid,
            status=life.status,
            created_at=key.created_at,
            active_from=key.active_from,
            retires_at=life.retires_at,
            withdrawn_at=key.withdrawn_at,
        )


def router(rotation: KeyRotation, guard: Guard) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/jwt-keys", tags=["signing keys"])
    reader = Annotated[Principal, Depends(guard.require(Scope.ADMIN_READ))]
    writer = Annotated[Caller, Depends(Callers(guard).require(Scope.ADMIN_WRITE))]

    @routes.get("")
    async def list_jwt_keys(_who: reader, page: Paging) -> Page[KeyOut]:
        """The keys that access tokens are signed with, the one that signs last first; withdrawn ones for a year."""
        lives = (await rotation.lives()).all
        items = [KeyOut.of(life) for life in lives[page.offset : page.offset + page.limit]]
        return Page[KeyOut].of(items, total=len(lives), limit=page.limit, offset=page.offset)

    @routes.post("/rotate", responses={202: {"model": KeyOut, "description": "Published; it signs from `active_from`"}})
    async def rotate_jwt_keys(who: writer, response: Response, body: RotationIn | None = None) -> KeyOut:
        """Publishes the next signing key. It signs once every verifier has seen it, and no request fails: 202. Asked
        again meanwhile, it gives that same key.

        `immediate`, for a key that leaked: the new key signs at once, and every key published before is withdrawn at
        once: 200. Other replicas of this service follow within 15 s. Tokens signed before are refused as soon as each
        verifier has renewed its keys, after at most 300 s; until then requests with new tokens may be refused by the
        gateway. All clients need new tokens.
        """
        if body is not None and body.immediate:
            return KeyOut.of(await rotation.replace_leaked(who.actor))
        life = await rotation.rotate(who.actor)
        response.status_code = 202 if life.status is KeyStatus.NEXT else 200
        return KeyOut.of(life)

    return routes
