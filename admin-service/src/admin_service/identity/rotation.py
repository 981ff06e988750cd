"""How signing keys follow one another (requirement I8).

A key's whole life follows from the times in its row, so that every replica reads the same from them:

    created_at ──── next ────► active_from ──── active ────► the next one's active_from ── retiring ──► withdrawn_at
    published, signs nothing   signs                          its tokens still count                     gone, erased

A key signs only when it was published for longer than any cache of verifiers keeps keys; it is withdrawn when the last
token that it signed has expired. Keys are changed under one lock, and what was decided before it is checked again
inside, so that any number of replicas may rotate at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from artstore_auth.verify import LEEWAY_SECONDS
from artstore_core.errors import ArtStoreError
from artstore_kit.logs import get_logger

from admin_service.audit.log import SYSTEM, Actor, AuditRows, Journal
from admin_service.identity.clock import Clock
from admin_service.identity.keys import KeyRows, KeyVault, SigningKey, new_signing_key

RETIRING_MARGIN = timedelta(seconds=60)
"""Beyond the last token's end: another replica's clock, and its ring that read the keys a moment ago."""
REMEMBERED = timedelta(days=365)
"""How long a withdrawn key is still listed."""

_log = get_logger(__name__)


class KeyStatus(StrEnum):
    NEXT = "next"
    ACTIVE = "active"
    RETIRING = "retiring"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class KeyLife:
    """A key and where it stands. `retires_at`: when it will be withdrawn, known once the next one is there."""

    key: SigningKey
    status: KeyStatus
    retires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Lives:
    """All keys, the one that signs last first."""

    all: Sequence[KeyLife]

    @property
    def next(self) -> KeyLife | None:
        """The first of those that will sign."""
        return next((life for life in reversed(self.all) if life.status is KeyStatus.NEXT), None)

    @property
    def active(self) -> KeyLife | None:
        return next((life for life in self.all if life.status is KeyStatus.ACTIVE), None)

    def of(self, kid: str) -> KeyLife | None:
        return next((life for life in self.all if life.key.kid == kid), None)

    def published(self) -> list[KeyLife]:
        return [life for life in self.all if life.status is not KeyStatus.WITHDRAWN]

    def outlived(self, now: datetime) -> list[KeyLife]:
        """Those whose last token has expired."""
        retiring = (life for life in self.all if life.status is KeyStatus.RETIRING)
        return [life for life in retiring if life.retires_at is not None and life.retires_at <= now]


@dataclass(frozen=True, slots=True)
class Timetable:
    """`publish`: from publication to the first signature. `token`: how long an access token lives. `every`: the age at
    which the active key is followed by another; None: never."""

    publish: timedelta
    token: timedelta
    every: timedelta | None

    def lives(self, keys: Sequence[SigningKey], now: datetime) -> Lives:
        """`keys` in any order."""
        followed_at: datetime | None = None
        lives = []
        for key in sorted(keys, key=lambda one: (one.active_from, one.created_at), reverse=True):
            lives.append(self._life(key, followed_at, now))
            # One that was withdrawn before it ever signed follows nobody.
            if key.withdrawn_at is None or key.withdrawn_at > key.active_from:
                followed_at = key.active_from
        return Lives(lives)

    def _life(self, key: SigningKey, followed_at: datetime | None, now: datetime) -> KeyLife:
        if key.withdrawn_at is not None:
            return KeyLife(key, KeyStatus.WITHDRAWN, None)
        retires_at = None
        if followed_at is not None:
            retires_at = followed_at + self.token + timedelta(seconds=LEEWAY_SECONDS) + RETIRING_MARGIN
        if key.active_from > now:
            return KeyLife(key, KeyStatus.NEXT, retires_at)
        if followed_at is None or followed_at > now:
            return KeyLife(key, KeyStatus.ACTIVE, retires_at)
        return KeyLife(key, KeyStatus.RETIRING, retires_at)

    def due(self, lives: Lives, now: datetime) -> bool:
        """Whether it is time for another key. Without any key it is, whatever `every` says.

        A key that is to sign later than one that is published now would, a clock dated that was ahead: nobody waits for it.
        """
        if lives.next is not None and lives.next.key.active_from <= now + self.publish:
            return False
        active = lives.active
        if active is None:
            return True
        return self.every is not None and now - active.key.active_from >= self.every


class Rows(Protocol):
    """What a rotation changes, within one transaction."""

    @property
    def keys(self) -> KeyRows: ...

    @property
    def audit(self) -> AuditRows: ...


NoNeed = Callable[[Lives], KeyLife | None]
"""The key that makes a new one unnecessary. Asked before a key is made, and again under the lock."""


async def _nobody() -> None:
    """Told of every change where nobody else has to be."""


class KeyRotation:
    """Publishes, activates, withdraws. `changed` is told after each change: the ring of this replica need not wait."""

    def __init__(
        self,
        transaction: Callable[[], AbstractAsyncContextManager[Rows]],
        vault: KeyVault,
        timetable: Timetable,
        clock: Clock,
        changed: Callable[[], Awaitable[None]] = _nobody,
    ) -> None:
        self._transaction, self._vault, self._clock = transaction, vault, clock
        self._timetable, self._changed = timetable, changed
        self._journal = Journal(clock)

    async def lives(self) -> Lives:
        async with self._transaction() as rows:
            return await self._lives(rows)

    async def rotate(self, by: Actor) -> KeyLife:
        """Publishes the key that will sign next, unless there is one already; gives that key."""
        return await self._follow(by, lambda lives: lives.next)

    async def replace_leaked(self, by: Actor) -> KeyLife:
        """A new key signs at once, and every other one is withdrawn at once.

        Every other, for nobody knows what else got out where the active one did. Several who ask at the same time get
        one new key.
        """
        lives = await self.lives()
        leaked = lives.active.key.kid if lives.active else None

        def replaced_meanwhile(lives: Lives) -> KeyLife | None:
            known = lives.of(leaked) if leaked else None
            return lives.active if known is None or known.status is KeyStatus.WITHDRAWN else None

        return await self._follow(by, replaced_meanwhile, replace_all=True)

    async def keep_up(self) -> None:
        """One turn of the schedule: withdraws what is outlived, follows a key that is old, seals anew."""
        async with self._transaction() as rows:
            keys = await rows.keys.every()
        now = self._clock()
        lives = self._timetable.lives(keys, now)
        if lives.outlived(now) or self._sealed_anew(keys) or _to_forget(keys, now):
            await self._tidy_up()
        if self._timetable.due(lives, now):
            await self._follow(SYSTEM, self._not_due)

    async def run(self, every_seconds: float) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.keep_up()
            except ArtStoreError as error:
                _log.warning("signing keys not looked after", reason=error.message)
            except Exception:  # noqa: BLE001
                # Whatever it was: without this loop no key would ever be followed or withdrawn again.
                _log.exception("signing keys not looked after")
            await asyncio.sleep(every_seconds)

    def _not_due(self, lives: Lives) -> KeyLife | None:
        return None if self._timetable.due(lives, self._clock()) else lives.next or lives.active

    async def _follow(self, by: Actor, no_need: NoNeed, *, replace_all: bool = False) -> KeyLife:
        there = no_need(await self.lives())
        if there is not None:
            return there
        # Outside of the transaction: it takes its time, and nobody shall wait for the lock that long.
        made = await asyncio.to_thread(new_signing_key, self._vault, self._clock())
        async with self._transaction() as rows:
            await rows.keys.lock()
            lives = await self._lives(rows)
            there = no_need(lives)
            if there is not None:
                return there
            now = self._clock()  # not earlier: the wait for the lock is no time of being published
            at_once = replace_all or lives.active is None
            key = replace(made, created_at=now, active_from=now if at_once else now + self._timetable.publish)
            await rows.keys.add(key)
            await self._journal.done(
                rows.audit, by, "jwt_key.published", key.kid, active_from=key.active_from.isoformat(), at_once=at_once
            )
            if replace_all:
                await self._withdraw(rows, by, lives.published(), now, reason="replaced at once")
            life = (await self._lives(rows)).of(key.kid)
            assert life is not None
        _log.info("signing key published", kid=key.kid, active_from=key.active_from.isoformat(), by=by.subject)
        await self._changed()
        return life

    async def _tidy_up(self) -> None:
        async with self._transaction() as rows:
            await rows.keys.lock()
            now = self._clock()
            keys = await rows.keys.every()
            await self._withdraw(rows, SYSTEM, self._timetable.lives(keys, now).outlived(now), now, reason="retired")
            await rows.keys.forget(now - REMEMBERED)
            for kid, sealed in self._sealed_anew(await rows.keys.every()).items():
                await rows.keys.seal_anew(kid, sealed)
                await self._journal.done(rows.audit, SYSTEM, "jwt_key.sealed_anew", kid)
        await self._changed()

    async def _withdraw(self, rows: Rows, by: Actor, lives: Sequence[KeyLife], now: datetime, *, reason: str) -> None:
        for life in lives:
            await rows.keys.withdraw(life.key.kid, now)
            await self._journal.done(rows.audit, by, "jwt_key.withdrawn", life.key.kid, reason=reason)
            _log.info("signing key withdrawn", kid=life.key.kid, reason=reason, by=by.subject)

    def _sealed_anew(self, keys: Sequence[SigningKey]) -> dict[str, bytes]:
        anew = {key.kid: self._vault.sealed_anew(key) for key in keys}
        return {kid: sealed for kid, sealed in anew.items() if sealed is not None}

    async def _lives(self, rows: Rows) -> Lives:
        return self._timetable.lives(await rows.keys.every(), self._clock())


def _to_forget(keys: Sequence[SigningKey], now: datetime) -> bool:
    return any(key.withdrawn_at is not None and key.withdrawn_at < now - REMEMBERED for key in keys)
