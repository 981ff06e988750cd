"""Idempotency keys over HTTP: for services alone, not on the gateway.

The key's hash stands in the body and not in the path: paths are logged.
"""

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from artstore_auth.guard import Guard
from artstore_core.files import File, Moment, Subject
from artstore_core.scopes import INTERNAL_AUDIENCE, Principal, Scope
from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from admin_service.idempotency.keys import SETTLING, Attempt, Done, begin, finish
from admin_service.identity.clock import Clock
from admin_service.store import Store

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 in lower-case hex")]


class KeyIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    principal: Subject
    key_hash: Sha256
    holder: Annotated[UUID, Field(description="Of this attempt alone")]
    file_id: Annotated[UUID, Field(description="To begin with: of a key that is new. At the end: what came of it")]

    def attempt(self) -> Attempt:
        return Attempt(self.principal, bytes.fromhex(self.key_hash), self.holder, self.file_id)


class KeyDoneIn(KeyIn):
    fingerprint: Annotated[Sha256, Field(description="Of the request")]
    answer: Annotated[File | None, Field(description="The file, for as long as it is not registered")] = None


class KeyGivenUpIn(KeyIn):
    unknown: Annotated[bool, Field(description="Something may have been stored all the same")] = False


class KeyOut(BaseModel):
    """Without a fingerprint the key is the asker's, until `lease_until`."""

    file_id: UUID
    again: bool = Field(default=False, description="Look for this file first: an attempt before may have stored it")
    lease_until: Moment | None = None
    fingerprint: str | None = None
    file: File | None = Field(default=None, description="As it is registered, or as it was answered")
    registered: bool = False


def router(store: Store, guard: Guard, clock: Clock, kept: timedelta) -> APIRouter:
    """`kept`: how long a key is known."""
    routes = APIRouter(prefix="/api/v1/idempotency-keys", tags=["idempotency keys"])
    # Whose key it is stands in the body, so only services may say it: never a client's token.
    internal = Annotated[Principal, Depends(guard.require(Scope.FILES_WRITE, audiences=[INTERNAL_AUDIENCE]))]

    @routes.put("", status_code=201, responses={200: {"model": KeyOut, "description": "Done before"}})
    async def begin_with_key(_who: internal, body: KeyIn, response: Response) -> KeyOut:
        """Takes a key, or renews the lease on it, for a minute. 409 while another attempt has it."""
        async with store.transaction() as rows:
            found = await begin(rows.idempotency, body.attempt(), clock(), kept)
            if not isinstance(found, Done):
                return KeyOut(file_id=found.file_id, again=found.again, lease_until=found.lease_until)
            registered = await rows.files.get(found.file_id)
        response.status_code = 200
        told: dict[str, Any] | None = dict(found.answer) if found.answer is not None else None
        file = told if registered is None else registered.model_dump(include=set(File.model_fields))
        return KeyOut(
            file_id=found.file_id,
            fingerprint=found.fingerprint.hex(),
            file=None if file is None else File.model_validate(file),
            registered=registered is not None,
        )

    @routes.post("/finish", status_code=204)
    async def finish_with_key(_who: internal, body: KeyDoneIn) -> None:
        """What came of it. 409 when the key is another attempt's by now."""
        answer = None if body.answer is None else body.answer.model_dump(mode="json")
        async with store.transaction() as rows:
            await finish(rows.idempotency, body.attempt(), bytes.fromhex(body.fingerprint), answer)

    @routes.delete("", status_code=204)
    async def give_key_up(_who: internal, body: KeyGivenUpIn) -> None:
        """Frees the key after a failure."""
        now = clock()
        async with store.transaction() as rows:
            until = now + SETTLING if body.unknown else now
            await rows.idempotency.give_up(body.attempt(), until, unknown=body.unknown)

    return routes
