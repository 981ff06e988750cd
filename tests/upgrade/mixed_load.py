"""Clients of every kind at work at once, each of which knows what a right answer is. What was acknowledged is kept in mind,
to be asked for again; an answer that HTTP lets a client ask for once more is counted, and so is each that was wrong.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import httpx
from artstore_client import AsyncArtStore, Config, RetryPolicy, UploadPolicy
from artstore_client.errors import ApiError, ArtStoreClientError

KIB: Final = 1024
MIB: Final = 1024 * KIB
TAG: Final = "rolling"
_SAFE: Final = frozenset({"GET", "HEAD"})
"""RFC 9110 §9.2.1: may be sent again whatever became of it."""
_LATER: Final = frozenset({429, 502, 503, 504})
_ASKED_AGAIN: Final = 30
_SHOWN: Final = 40


class WrongAnswerError(Exception):
    """Neither what was asked for, nor one that a client may ask for again."""


@dataclass
class Tally:
    """Of one kind of work. `again`: requests that were sent once more, by what had been answered before."""

    done: int = 0
    again: Counter[str] = field(default_factory=Counter)
    slowest_seconds: float = 0.0


@dataclass(frozen=True)
class CountedRetry(RetryPolicy):
    """The client library's own policy; `again` counts how often it was followed."""

    again: Counter[str] = field(default_factory=Counter)
    plain: RetryPolicy = field(default_factory=RetryPolicy)

    def back_off(self, failures: int) -> float:
        """Asked for by transfers that go on where they were: tus by its offset, downloads by Range."""
        self.again["a break, gone on with"] += 1
        return self.plain.back_off(failures)

    def pause_after(self, error: ArtStoreClientError, failures: int) -> float | None:
        return self._counted(error, self.plain.pause_after(error, failures))

    def pause_in_flight(self, error: ArtStoreClientError, waits: int) -> float | None:
        return self._counted(error, self.plain.pause_in_flight(error, waits))

    def _counted(self, error: ArtStoreClientError, pause: float | None) -> float | None:
        if pause is not None:
            self.again[_named(error)] += 1
        return pause


def _named(error: Exception) -> str:
    return f"{error.status} {error.code}" if isinstance(error, ApiError) else type(error).__name__


@dataclass
class Load:
    """`stored`: SHA-256 of every file that was acknowledged, by its id. `phase`: what happens to the services meanwhile."""

    gateway: str
    account: Config
    http: httpx.AsyncClient
    console: tuple[str, str]
    directory: Path
    stored: dict[str, str] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=dict)
    again_in: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    phase: str = "before"
    chance: random.Random = field(default_factory=lambda: random.Random(9))
    _token: tuple[str, float] = ("", 0.0)
    _stores: dict[str, AsyncArtStore] = field(default_factory=dict)

    def tally(self, kind: str) -> Tally:
        return self.tallies.setdefault(kind, Tally())

    def store(self, kind: str, **uploads: Any) -> AsyncArtStore:
        """The client of this kind, whose second attempts are counted: one for all of its work, as in a program."""
        if kind not in self._stores:
            retry = CountedRetry(again=self.tally(kind).again)
            policy = replace(UploadPolicy(state_dir=self.directory / "state"), **uploads)
            self._stores[kind] = AsyncArtStore(replace(self.account, retry=retry, uploads=policy))
        return self._stores[kind]

    async def aclose(self) -> None:
        for store in self._stores.values():
            await store.aclose()

    def a_stored_file(self) -> str:
        """One of those that were acknowledged last, or of all."""
        ids = list(self.stored)
        return self.chance.choice(ids[-20:] if self.chance.random() < 0.5 else ids)

    async def bearer(self) -> dict[str, str]:
        """A token that is kept for a minute, as a program would keep it."""
        token, until = self._token
        if time.monotonic() > until:
            token = await self.new_token("token kept")
            self._token = token, time.monotonic() + 60
        return {"Authorization": f"Bearer {token}"}

    async def new_token(self, kind: str) -> str:
        answer = await self.ask(
            kind,
            "POST",
            "/api/v1/auth/token",
            data={"grant_type": "client_credentials"},
            auth=(self.account.client_id, self.account.client_secret),
        )
        return str(answer.json()["access_token"])

    async def ask(
        self, kind: str, method: str, path: str, expected: frozenset[int] = frozenset({200}), **request: Any
    ) -> httpx.Response:
        """One request. Asked again only where it reads, and was told when. Raises WrongAnswerError, httpx.TransportError."""
        for _ in range(_ASKED_AGAIN):
            try:
                answer = await self.http.request(method, self.gateway + path, **request)
            except httpx.TransportError as error:
                if method not in _SAFE:
                    raise
                self.tally(kind).again[type(error).__name__] += 1
                continue
            if answer.status_code in expected:
                return answer
            wait = answer.headers.get("Retry-After", "")
            if method not in _SAFE or answer.status_code not in _LATER or not wait.isdecimal():
                break
            self.tally(kind).again[f"{answer.status_code} {_code(answer)}"] += 1
            await asyncio.sleep(int(wait) * self.chance.uniform(1.0, 1.2))
        else:
            raise WrongAnswerError(f"{method} {path.partition('?')[0]}: asked {_ASKED_AGAIN} times")
        raise WrongAnswerError(f"{method} {path.partition('?')[0]}: {answer.status_code} {answer.text[:300]}")

    async def repeat(
        self, kind: str, work: Callable[[Load, str], Awaitable[None]], pause: float, done: asyncio.Event
    ) -> None:
        """Until `done`; what was begun is finished."""
        while not done.is_set():
            tally, phase = self.tally(kind), self.phase
            before, began = tally.again.total(), time.monotonic()
            try:
                await work(self, kind)
                tally.done += 1
            except (ArtStoreClientError, WrongAnswerError, httpx.HTTPError, AssertionError) as error:
                self.wrong.append(f"[{phase}] {kind}: {type(error).__name__}: {error}"[:600])
            tally.slowest_seconds = max(tally.slowest_seconds, time.monotonic() - began)
            self.again_in[phase] += tally.again.total() - before
            await asyncio.sleep(pause * self.chance.uniform(0.5, 1.5))


def _code(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return "in no agreed form"


@asynccontextmanager
async def new_load(credentials: Mapping[str, Any], ca: Path, directory: Path) -> AsyncIterator[Load]:
    """`credentials`: those of the stack. `directory`: where clients keep what they must."""
    client = credentials["service_accounts"]["client"]
    account = Config(str(credentials["gateway_tls"]), client["client_id"], client["client_secret"], ca=ca)
    console = (str(credentials["admin"]["username"]), str(credentials["admin"]["password"]))
    trusted = ssl.create_default_context(cafile=str(ca))
    async with httpx.AsyncClient(verify=trusted, trust_env=False, timeout=60) as http:
        load = Load(str(credentials["gateway"]), account, http, console, directory)
        try:
            yield load
        finally:
            await load.aclose()


def report(load: Load, seconds: float) -> None:
    """What was asked, what was asked again and why, what was wrong."""
    lines = [f"{'work':<24}{'done':>8}{'asked again':>13}{'slowest':>10}"]
    for kind, tally in sorted(load.tallies.items()):
        lines.append(f"{kind:<24}{tally.done:>8}{tally.again.total():>13}{tally.slowest_seconds:>8.1f} s")
    done = sum(tally.done for tally in load.tallies.values())
    again: Counter[str] = Counter()
    for tally in load.tallies.values():
        again.update(tally.again)
    lines.append(
        f"{done} pieces of work in {seconds:.0f} s, {len(load.wrong)} failed, {again.total()} requests sent again"
    )
    lines += [f"  asked again after {reason}: {number}" for reason, number in again.most_common()]
    lines += [
        f"  asked again by work begun during {phase}: {number}" for phase, number in load.again_in.items() if number
    ]
    lines += [f"  FAILED {words}" for words in load.wrong[:_SHOWN]]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
